from django.db import migrations, models


class Migration(migrations.Migration):
    """A row says which master key sealed it, and whether its key is still the one it was.

    What an older release seals meanwhile does not say it: blank, and found out by opening.
    """

    dependencies = [("bots", "0015_first_versions")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="sealed_with",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=16
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="generation",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
