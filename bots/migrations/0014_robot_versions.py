from typing import Any

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def versioned() -> list[tuple[str, Any]]:
    """The columns that drafts and versions have in common with the robot."""
    return [
        ("model", models.CharField(max_length=120, verbose_name="model")),
        (
            "system_prompt",
            models.TextField(blank=True, max_length=20000, verbose_name="system prompt"),
        ),
        (
            "temperature",
            models.FloatField(
                blank=True,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(2),
                ],
                verbose_name="temperature",
            ),
        ),
        (
            "context_tokens",
            models.PositiveIntegerField(default=4000, verbose_name="context budget"),
        ),
        (
            "answer_tokens",
            models.PositiveIntegerField(blank=True, null=True, verbose_name="answer budget"),
        ),
    ]


def somebody() -> Any:
    return models.ForeignKey(
        null=True,
        on_delete=django.db.models.deletion.SET_NULL,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    """What a robot was, what it may become, and what a message is answered with instead of it.

    Code of before knows none of it: what it saves of a robot meanwhile becomes a version with the
    next publication.
    """

    dependencies = [
        ("bots", "0013_key_pool"),
        ("portal", "0004_app_records"),
    ]

    operations = [
        migrations.CreateModel(
            name="RobotDraft",
            fields=[
                *versioned(),
                (
                    "greeting",
                    models.TextField(blank=True, max_length=2000, verbose_name="greeting"),
                ),
                (
                    "suggested_questions",
                    models.JSONField(blank=True, default=list, verbose_name="suggested questions"),
                ),
                (
                    "guests_allowed",
                    models.BooleanField(default=False, verbose_name="guests allowed"),
                ),
                (
                    "number",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="robot_draft",
                        serialize=False,
                        to="portal.servicenumber",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("saved_at", models.DateTimeField()),
                ("saved_by", somebody()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="RobotVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                *versioned(),
                ("no", models.PositiveIntegerField(verbose_name="version")),
                (
                    "note",
                    models.CharField(blank=True, max_length=200, verbose_name="note"),
                ),
                ("back_to", models.PositiveIntegerField(null=True)),
                (
                    "published_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="published"
                    ),
                ),
                (
                    "number",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="portal.servicenumber",
                    ),
                ),
                ("published_by", somebody()),
            ],
            options={
                "verbose_name": "version of a robot",
                "verbose_name_plural": "versions of robots",
            },
        ),
        migrations.AddConstraint(
            model_name="robotversion",
            constraint=models.UniqueConstraint(
                fields=["number", "no"], name="robot_version_once_per_number"
            ),
        ),
        migrations.AddField("prompt", "robot", models.JSONField(null=True)),
    ]
