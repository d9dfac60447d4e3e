from django.db import migrations, models


class Migration(migrations.Migration):
    """What a number was asked lately is read without reading all that it ever was asked."""

    dependencies = [("bots", "0004_names_of_models")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["number", "asked_at"], name="message_by_number_and_time"),
        ),
    ]
