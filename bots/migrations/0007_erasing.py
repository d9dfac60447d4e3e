from django.db import migrations, models


class Migration(migrations.Migration):
    """What was erased says so; listings walk over what was kept alone.

    Code of before writes none of these columns and reads none: it may run beside this schema.
    """

    dependencies = [("bots", "0006_prompts")]

    operations = [
        migrations.AddField("conversation", "erased_at", models.DateTimeField(null=True)),
        migrations.AddField("conversation", "emptied_at", models.DateTimeField(null=True)),
        migrations.AddField("message", "erased_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "conversation",
            models.Index(
                fields=["number", "id"],
                condition=models.Q(erased_at=None),
                name="conversation_of_number_kept",
            ),
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                fields=["person", "id"],
                condition=models.Q(erased_at=None),
                name="conversation_of_person_kept",
            ),
        ),
        migrations.AddIndex(
            "conversation",
            models.Index(
                fields=["person", "id"],
                condition=models.Q(erased_at__isnull=False, emptied_at=None),
                name="conversation_to_empty",
            ),
        ),
    ]
