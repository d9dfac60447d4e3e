import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import portal.ids


class Migration(migrations.Migration):
    """Who follows a number, what it sends them, and what each person has seen of it."""

    dependencies = [
        ("bots", "0007_erasing"),
        ("portal", "0004_app_records"),
    ]

    operations = [
        migrations.CreateModel(
            name="Audience",
            fields=[
                (
                    "number",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="portal.servicenumber",
                    ),
                ),
                ("followers", models.PositiveIntegerField(default=0)),
                ("last_seq", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name="person",
            name="news_seen",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.CreateModel(
            name="Follower",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="bots.person",
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
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
                "verbose_name": "follower",
                "verbose_name_plural": "followers",
                "constraints": [
                    models.UniqueConstraint(fields=("number", "seq"), name="follower_in_order")
                ],
            },
        ),
        migrations.CreateModel(
            name="News",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=portal.ids.new_message_id,
                        max_length=40,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("text", models.TextField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("accepted", models.PositiveIntegerField()),
                ("idempotency_key", models.CharField(max_length=255, null=True)),
                (
                    "number",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.servicenumber",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="news",
                        to="bots.person",
                    ),
                ),
            ],
            options={
                "verbose_name": "news message",
                "verbose_name_plural": "news messages",
                "indexes": [
                    models.Index(fields=["person", "seq"], name="news_to_person"),
                    models.Index(
                        condition=models.Q(("person", None)),
                        fields=["number", "seq"],
                        name="news_to_all",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("number", "seq"), name="news_in_order"),
                    models.UniqueConstraint(
                        fields=("number", "idempotency_key"), name="news_key_once"
                    ),
                ],
            },
        ),
    ]
