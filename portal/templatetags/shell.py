"""The small parts that every page is put together from."""

from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from portal.models import ServiceNumber, State

register = template.Library()

STATE_LOOKS = {
    State.DRAFT: ("secondary", "pencil"),
    State.IN_REVIEW: ("blue", "hourglass"),
    State.APPROVED: ("green", "circle-check"),
    State.REJECTED: ("red", "circle-x"),
    State.SUSPENDED: ("orange", "ban"),
    State.CLOSED: ("dark", "lock"),
}


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """One of static/vendor/tabler-icons/sprite.svg; it says nothing to a screen reader."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        classes,
        static("vendor/tabler-icons/sprite.svg"),
        name,
    )


@register.simple_tag
def badge(word: str, colour: str, icon_name: str, icon_classes: str = "") -> SafeString:
    """Never colour alone: an icon and a word."""
    shown = icon(icon_name, icon_classes or f"text-{colour}")
    return format_html('<span class="badge bg-{}-lt">{} {}</span>', colour, shown, word)


@register.simple_tag
def state_badge(number: ServiceNumber) -> SafeString:
    colour, icon_name = STATE_LOOKS[State(number.state)]
    return badge(number.get_state_display(), colour, icon_name)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """How long ago, with the exact time on hover and for screen readers."""
    if moment is None:
        return format_html('<span class="text-secondary">{}</span>', _("never"))
    exact = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S %Z"),
        _relative(moment),
    )


def _relative(moment: datetime) -> str:
    now = timezone.now()
    if abs((now - moment).total_seconds()) < 60:
        return _("just now") if moment <= now else _("in a moment")
    if moment > now:
        return _("in %(span)s") % {"span": timesince(now, moment, depth=1)}
    return _("%(span)s ago") % {"span": timesince(moment, now, depth=1)}


@register.inclusion_tag("components/avatar.html")
def avatar(number: ServiceNumber, size: str = "") -> dict[str, Any]:
    """The number's picture, or the first letter of its name; size is Tabler's sm, lg, xl."""
    return {"number": number, "size": size, "letter": number.name[:1].upper()}


@register.inclusion_tag("components/copyable.html")
def copyable(value: str, label: str) -> dict[str, Any]:
    """An id in monospace with a button that copies it; `label` says what is copied."""
    return {"value": value, "label": label}
