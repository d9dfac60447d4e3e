"""System checks: what is wrong with the settings, by name, before anything starts."""

import sqlite3
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from portal import environment

SECRET_LENGTH_AT_LEAST = 32
WAL_RESET_BUG_FIXED_IN = (3, 51, 3)


def environment_is_readable(**_kwargs: Any) -> list[CheckMessage]:
    return [Error(problem.message, id="portal.E001") for problem in environment.problems]


def secrets_are_strong(**_kwargs: Any) -> list[CheckMessage]:
    named = {"SECRET_KEY": [settings.SECRET_KEY], "TOKEN_SIGNING_KEYS": settings.TOKEN_SIGNING_KEYS}
    short = [name for name, keys in named.items() if min(map(len, keys)) < SECRET_LENGTH_AT_LEAST]
    mend = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
    return [
        Error(
            f"{name} is too short: it needs at least {SECRET_LENGTH_AT_LEAST} characters.",
            hint=mend,
            id="portal.E002",
        )
        for name in short
    ]


def site_is_safe(**_kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not settings.SITE_URL.startswith(("http://", "https://")):
        message = "SITE_URL must begin with http:// or https://, as people type it."
        found.append(Error(message, id="portal.E003"))
    if settings.PORT > 65535:
        found.append(Error("PORT must be between 1 and 65535.", id="portal.E006"))
    if settings.SITE_IS_HTTPS and settings.DEBUG:
        message = "DEBUG shows settings to strangers: unset it where SITE_URL is https."
        found.append(Error(message, id="portal.E004"))
    if "*" in settings.ALLOWED_HOSTS:
        message = "ALLOWED_HOSTS must name the hosts: '*' lets a forged Host into reset links."
        found.append(Error(message, id="portal.E005"))
    return found


def proxies_are_addresses(**_kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for entry in settings.TRUSTED_PROXIES:
        try:
            ip_network(entry, strict=False)
        except ValueError:
            message = f"TRUSTED_PROXIES: {entry!r} is neither an address nor a network (CIDR)."
            found.append(Error(message, id="portal.E007"))
    if settings.SITE_IS_HTTPS and not settings.TRUSTED_PROXIES:
        message = "SITE_URL is https but TRUSTED_PROXIES is empty: pages would redirect forever."
        hint = "Name the address of the proxy that speaks https and sets X-Forwarded-Proto."
        found.append(checks.Warning(message, hint=hint, id="portal.W002"))
    return found


def sqlite_is_sound(**_kwargs: Any) -> list[CheckMessage]:
    uses_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite")
    if not uses_sqlite or sqlite3.sqlite_version_info >= WAL_RESET_BUG_FIXED_IN:
        return []
    message = (
        f"SQLite {sqlite3.sqlite_version} has a rare corruption bug in WAL mode (mended in 3.51.3)."
    )
    hint = "Keep backups, use a newer SQLite, or set DATABASE_URL to PostgreSQL."
    return [checks.Warning(message, hint=hint, id="portal.W001")]
