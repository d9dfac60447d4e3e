from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from portal import celery, checks


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Public service platform")
    celery_app = celery.app  # loaded with Django, so that every process nudges the same broker

    def ready(self) -> None:
        from portal import notices  # noqa: PLC0415  (it imports models: they exist from here on)

        register(checks.environment_is_readable)
        register(checks.secrets_are_strong)
        register(checks.site_is_safe)
        register(checks.sqlite_is_sound)
        register(checks.proxies_are_addresses)
        notices.register()
