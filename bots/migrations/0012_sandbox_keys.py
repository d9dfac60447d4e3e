from django.db import migrations, models


class Migration(migrations.Migration):
    """A key may mean the simulator. What an older release binds meanwhile does not."""

    dependencies = [("bots", "0011_fewer_indexes")]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="is_sandbox",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
