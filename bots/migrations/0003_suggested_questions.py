from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0002_web_people"),
    ]

    operations = [
        migrations.AddField(
            model_name="robot",
            name="suggested_questions",
            field=models.JSONField(blank=True, default=list, verbose_name="suggested questions"),
        ),
    ]
