"""How keys and answers look: a badge for each state, and a sentence on what to do about it."""

from typing import Any

from django import template
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots.faults import FAULTS
from bots.models import ApiKey, KeyStatus, Message, Status
from portal.templatetags.shell import badge, icon

register = template.Library()

LINES_SHOWN = 3
FOLDED_FROM = 140  # characters: about three lines on a phone
TEXT_SHOWN_AT_MOST = 8_000
OPEN_ID_SHOWN = 16

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
    KeyStatus.PENDING: gettext_lazy("A worker asks the provider what the key is worth."),
    KeyStatus.VALID: gettext_lazy("The provider takes it. There is nothing to do."),
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
STATUS_LOOKS = {
    Status.QUEUED: ("secondary", "hourglass"),
    Status.RUNNING: ("blue", "loader-2"),
    Status.DONE: ("green", "circle-check"),
    Status.FAILED: ("red", "circle-x"),
    Status.CANCELLED: ("secondary", "player-stop"),
}
RATING_LOOKS = {
    "like": (gettext_lazy("Like"), "green", "thumb-up"),
    "dislike": (gettext_lazy("Dislike"), "orange", "thumb-down"),
}


@register.simple_tag
def verdict_badge(status: str) -> SafeString:
    """A key's verdict; one that is still being found out pulses quietly."""
    known = KeyStatus(status)
    colour, icon_name = KEY_LOOKS[known]
    word = str(capfirst(known.label))
    if known != KeyStatus.PENDING:
        return badge(word, colour, icon_name)
    return format_html(
        '<span class="badge bg-{0}-lt text-{0}-lt-fg">{1} {2}</span>',
        colour,
        icon(icon_name, "icon-pulse"),
        word,
    )


@register.simple_tag
def verdict_advice(key: ApiKey) -> str:
    return str(ADVICE[key.status])


@register.simple_tag
def status_badge(message: Message) -> SafeString:
    status = Status(message.status)
    colour, icon_name = STATUS_LOOKS[status]
    return badge(str(capfirst(status.label)), colour, icon_name)


@register.simple_tag
def rating_badge(rating: str) -> SafeString:
    """Nothing where the answer is not rated."""
    if rating not in RATING_LOOKS:
        return SafeString()
    word, colour, icon_name = RATING_LOOKS[rating]
    return badge(str(word), colour, icon_name)


@register.simple_tag
def fault_sentence(message: Message) -> str:
    """Why the answer failed or was withheld; "" where nothing went wrong."""
    if message.error_code is None:
        return ""
    fault = FAULTS.get(message.error_code)
    return str(fault.message) if fault else _("Error %(code)d.") % {"code": message.error_code}


@register.inclusion_tag("bots/feedback_folded.html")
def folded(text: str) -> dict[str, Any]:
    """Plain text: three lines of it until it is opened, and never a megabyte of it."""
    is_long = len(text) > FOLDED_FROM or text.count("\n") >= LINES_SHOWN
    cut = max(0, len(text) - TEXT_SHOWN_AT_MOST)
    return {"text": text[:TEXT_SHOWN_AT_MOST], "is_long": is_long, "cut": cut}


@register.inclusion_tag("bots/feedback_person.html")
def person(open_id: str) -> dict[str, Any]:
    short = open_id if len(open_id) <= OPEN_ID_SHOWN else f"{open_id[: OPEN_ID_SHOWN - 1]}…"
    return {"open_id": open_id, "short": short}
