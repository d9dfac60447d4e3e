from django.db import migrations, models


class Migration(migrations.Migration):
    """What a stopping worker gives back does not count against the attempts' cap."""

    dependencies = [("bots", "0009_feed_by_person_and_time")]

    operations = [
        migrations.AddField(
            model_name="message",
            name="handed_back",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
    ]
