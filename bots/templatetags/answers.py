"""How an answer looks in a list: its status, its rating, why it failed, and its text, folded."""

from typing import Any

from django import template
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from bots import blocked, faults
from bots.models import BlockedAnswer, Message, Rating, Status
from portal.templatetags.shell import badge

register = template.Library()

LINES_SHOWN = 3
FOLDED_FROM = 140  # characters: about three lines on a phone
TEXT_SHOWN_AT_MOST = 8_000
OPEN_ID_SHOWN = 16

STATUS_LOOKS = {
    Status.QUEUED: ("secondary", "hourglass"),
    Status.RUNNING: ("blue", "loader-2"),
    Status.DONE: ("green", "circle-check"),
    Status.FAILED: ("red", "circle-x"),
    Status.CANCELLED: ("secondary", "player-stop"),
}
RATING_LOOKS = {
    Rating.LIKE: ("green", "thumb-up"),
    Rating.DISLIKE: ("orange", "thumb-down"),
}


@register.simple_tag
def status_badge(message: Message) -> SafeString:
    status = Status(message.status)
    colour, icon_name = STATUS_LOOKS[status]
    return badge(str(capfirst(status.label)), colour, icon_name)


@register.simple_tag
def rating_badge(rating: str) -> SafeString:
    """Nothing where the answer is not rated."""
    if rating not in Rating:
        return SafeString("")
    known = Rating(rating)
    return badge(str(known.label), *RATING_LOOKS[known])


@register.simple_tag
def fault_sentence(message: Message) -> str:
    return faults.sentence(message.error_code)


@register.simple_tag
def blocked_sentence(found: BlockedAnswer) -> str:
    """For the number's owner and for moderators."""
    return blocked.sentence(found)


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
