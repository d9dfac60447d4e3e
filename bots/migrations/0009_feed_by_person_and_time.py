import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A person's entries in order, and where in a feed a time begins, without a walk through it.

    The index by person and `seq` also serves where that by the person alone did.
    """

    dependencies = [("bots", "0008_followers_and_news")]

    operations = [
        migrations.AddIndex(
            model_name="feedentry",
            index=models.Index(fields=["person", "seq"], name="feed_by_person_in_order"),
        ),
        migrations.AlterField(
            model_name="feedentry",
            name="person",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="bots.person",
            ),
        ),
        migrations.AddIndex(
            model_name="feedentry",
            index=models.Index(fields=["number", "at"], name="feed_by_time"),
        ),
    ]
