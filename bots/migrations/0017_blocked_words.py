import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """The safety filter: a number's word list, what was blocked, and what a robot says of both."""

    dependencies = [("bots", "0016_sealed_with")]

    operations = [
        migrations.AddField(
            model_name="robot",
            name="moderated",
            field=models.BooleanField(
                db_default=False, default=False, verbose_name="moderation by the provider"
            ),
        ),
        migrations.AddField(
            model_name="robot",
            name="words_version",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.CreateModel(
            name="BlockedWords",
            fields=[
                (
                    "number",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="blocked_words",
                        serialize=False,
                        to="portal.servicenumber",
                    ),
                ),
                ("words", models.TextField(blank=True)),
                ("version", models.PositiveIntegerField(default=0)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="BlockedAnswer",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="blocked",
                        serialize=False,
                        to="bots.message",
                    ),
                ),
                ("at", models.DateTimeField()),
                (
                    "place",
                    models.CharField(
                        choices=[("question", "question"), ("answer", "answer")], max_length=8
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("operator", "the platform's word list"),
                            ("number", "the service number's word list"),
                            ("provider", "the provider's moderation"),
                        ],
                        max_length=8,
                    ),
                ),
                ("words", models.CharField(max_length=200)),
                ("text", models.TextField(blank=True)),
                (
                    "number",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.servicenumber",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["number", "-at"], name="blocked_by_number_and_time")
                ],
            },
        ),
    ]
