import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What callers give instead of a conversation, and how an answer ended that is cut short."""

    dependencies = [("bots", "0005_message_by_number_and_time")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="finish_reason",
            field=models.CharField(blank=True, db_default="", default="", max_length=16),
        ),
        migrations.CreateModel(
            name="Prompt",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="prompt",
                        serialize=False,
                        to="bots.message",
                    ),
                ),
                ("turns", models.JSONField()),
                ("params", models.JSONField(default=dict)),
            ],
        ),
    ]
