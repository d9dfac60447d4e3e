"""How the verdict on a key looks: a badge for each, and a sentence on what to do about it."""

from django import template
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from bots import evidence
from bots.models import ApiKey, KeyStatus
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
}
ADVICE: dict[str, str | Promise] = {
    KeyStatus.PENDING: gettext_lazy("We are asking the provider whether the key works."),
    KeyStatus.VALID: gettext_lazy("The provider accepts it. There is nothing to do."),
    KeyStatus.RATE_LIMITED: gettext_lazy(
        "The provider takes no more calls for the moment. The key stays in use; more calls a"
        " minute are a matter of your plan there."
    ),
    KeyStatus.OUT_OF_QUOTA: gettext_lazy(
        "The quota at the provider is used up. Top it up there, then check again."
    ),
    KeyStatus.NO_ACCESS: gettext_lazy(
        "The provider does not let this key use the robot's model. Choose another model on the"
        " robot page, or have it enabled at the provider."
    ),
    KeyStatus.INVALID: gettext_lazy(
        "The provider refused the key (401). Make a new key there and bind it here."
    ),
    KeyStatus.UNREACHABLE: gettext_lazy(
        "The provider could not be reached at this base URL. Compare the URL with the provider's"
        " own page, then check again."
    ),
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
def verdict_advice(key: ApiKey) -> str:
    return str(ADVICE[key.status])
