from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from bots import checks


class BotsConfig(AppConfig):
    name = "bots"
    verbose_name = _("Robots")

    def ready(self) -> None:
        from bots import consequences  # noqa: PLC0415  (it imports models: they exist from here on)

        register(checks.vault_has_keys)
        register(checks.outbound_list_is_readable)
        register(checks.leases_outlive_renewals)
        register(checks.local_model_is_there)
        register(checks.blocked_words_are_readable)
        consequences.register()
