import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """What each upstream call costs, what may be spent, and what a token's price is."""

    dependencies = [
        ("bots", "0017_blocked_words"),
        ("portal", "0004_app_records"),
    ]

    operations = [
        migrations.CreateModel(
            name="Budget",
            fields=[
                (
                    "number",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="budget",
                        serialize=False,
                        to="portal.servicenumber",
                    ),
                ),
                (
                    "tokens",
                    models.BigIntegerField(blank=True, null=True, verbose_name="tokens a month"),
                ),
                (
                    "micros",
                    models.BigIntegerField(blank=True, null=True, verbose_name="money a month"),
                ),
                (
                    "person_asks",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="questions a day"
                    ),
                ),
                (
                    "person_tokens",
                    models.BigIntegerField(blank=True, null=True, verbose_name="tokens a day"),
                ),
                ("warned_month", models.DateField(editable=False, null=True)),
                ("warned_percent", models.PositiveSmallIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "budget",
                "verbose_name_plural": "budgets",
            },
        ),
        migrations.CreateModel(
            name="LedgerDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("model", models.CharField(max_length=120)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("web", "web"),
                            ("ddio", "DDIO"),
                            ("openai", "OpenAI"),
                            ("sandbox", "sandbox"),
                        ],
                        max_length=8,
                    ),
                ),
                ("used", models.PositiveIntegerField()),
                ("cancelled", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
                ("unknown", models.PositiveIntegerField()),
                ("prompt_tokens", models.BigIntegerField()),
                ("completion_tokens", models.BigIntegerField()),
                ("estimated_tokens", models.BigIntegerField()),
                ("cost", models.BigIntegerField()),
                (
                    "number",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ledger_days",
                        to="portal.servicenumber",
                    ),
                ),
            ],
            options={
                "verbose_name": "day of the ledger",
                "verbose_name_plural": "days of the ledger",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("number", "day", "model", "channel"), name="ledger_day_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField()),
                ("call", models.PositiveSmallIntegerField(default=1)),
                ("model", models.CharField(max_length=120)),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("web", "web"),
                            ("ddio", "DDIO"),
                            ("openai", "OpenAI"),
                            ("sandbox", "sandbox"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("reserved", "reserved"),
                            ("used", "used"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                            ("unknown", "unknown"),
                        ],
                        max_length=9,
                    ),
                ),
                ("prompt_tokens", models.BigIntegerField()),
                ("completion_tokens", models.BigIntegerField()),
                ("is_estimated", models.BooleanField()),
                ("reserved_tokens", models.BigIntegerField()),
                ("input_price", models.BigIntegerField()),
                ("output_price", models.BigIntegerField()),
                ("cost", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "api_key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="bots.apikey",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="ledger",
                        to="bots.message",
                    ),
                ),
                (
                    "number",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="ledger",
                        to="portal.servicenumber",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="bots.person",
                    ),
                ),
            ],
            options={
                "verbose_name": "ledger entry",
                "verbose_name_plural": "ledger",
                "indexes": [
                    models.Index(fields=["number", "at"], name="ledger_by_number_and_time"),
                    models.Index(fields=["person", "at"], name="ledger_by_person_and_time"),
                    models.Index(
                        condition=models.Q(("state", "reserved")),
                        fields=["number"],
                        name="ledger_reserved",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("message", "attempt", "call"), name="ledger_once_per_call"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=120, verbose_name="model")),
                ("input", models.BigIntegerField()),
                ("output", models.BigIntegerField()),
                (
                    "number",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="portal.servicenumber",
                    ),
                ),
            ],
            options={
                "verbose_name": "price",
                "verbose_name_plural": "prices",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("number", "model"), name="price_once_per_model"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("input__gte", 0), ("output__gte", 0)),
                        name="price_not_negative",
                    ),
                ],
            },
        ),
    ]
