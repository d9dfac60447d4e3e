import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Each question is written three times, with each of its indexes: two less than before.

    What the plain ones by number and by conversation found, those with a time or a position find,
    too. The new one has only what waits.
    """

    dependencies = [("bots", "0010_handed_back")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(status="queued"),
                fields=["number", "asked_at"],
                name="message_waiting_of_number",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="conversation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="bots.conversation",
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="number",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="messages",
                to="portal.servicenumber",
            ),
        ),
    ]
