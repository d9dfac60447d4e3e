from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from bots import checks


class BotsConfig(AppConfig):
    name = "bots"
    verbose_name = _("Robots")

    def ready(self) -> None:
        # They import models, which exist from here on.
        from bots import consequences, lost_keys  # noqa: PLC0415

        register(checks.vault_has_keys)
        register(checks.master_keys_are_private)
        register(lost_keys.master_keys_are_there, Tags.database)
        register(checks.outbound_list_is_readable)
        register(checks.leases_outlive_renewals)
        register(checks.local_model_is_there)
        register(checks.blocked_words_are_readable)
        consequences.register()
