"""How the verdict on a key looks: a badge for each, and the sentence on what to do about it."""

from django import template
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext

from bots import evidence, verdict_words
from bots.models import KeyStatus
from portal.templatetags.shell import badge

register = template.Library()

KEY_LOOKS = {
    KeyStatus.PENDING: ("secondary", "loader-2"),
    KeyStatus.VALID: ("green", "circle-check"),
    KeyStatus.RATE_LIMITED: ("blue", "gauge"),
    KeyStatus.OUT_OF_QUOTA: ("orange", "wallet"),
    KeyStatus.NO_ACCESS: ("orange", "lock-access"),
    KeyStatus.INVALID: ("red", "key-off"),
    KeyStatus.UNREACHABLE: ("red", "plug-connected-x"),
    KeyStatus.TROUBLE: ("red", "server"),
    KeyStatus.INCOMPATIBLE: ("red", "alert-circle"),
}


@register.simple_tag
def verdict_badge(status: str) -> SafeString:
    """A key's verdict; one that is still being found out pulses quietly."""
    known = KeyStatus(status)
    colour, icon_name = KEY_LOOKS[known]
    classes = "icon-pulse" if known == KeyStatus.PENDING else f"text-{colour}"
    return badge(str(capfirst(known.label)), colour, icon_name, classes)


@register.simple_tag
def sandbox_badge() -> SafeString:
    """At whatever the simulator answers."""
    return badge(gettext("sandbox"), "purple", "flask")


@register.filter
def in_words(seen: str) -> str:
    return evidence.in_words(seen)


@register.simple_tag
def verdict_advice(status: str, seen: str = "") -> str:
    return verdict_words.advice(status, seen)
