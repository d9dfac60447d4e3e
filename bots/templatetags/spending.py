"""Tokens and money, as pages write them: nothing is rounded, and what is estimated says so."""

from django import template
from django.utils.safestring import SafeString

from bots import money
from bots.models import EntryState, LedgerEntry
from portal.templatetags.shell import badge

register = template.Library()

STATE_LOOKS = {
    EntryState.RESERVED: ("blue", "hourglass"),
    EntryState.USED: ("green", "circle-check"),
    EntryState.CANCELLED: ("secondary", "player-stop"),
    EntryState.FAILED: ("red", "circle-x"),
    EntryState.UNKNOWN: ("orange", "alert-circle"),
}

register.filter("cost", money.cost)
register.filter("micros", money.micros)


@register.filter
def grouped(count: int) -> str:
    """12,345"""
    return f"{count:,}"


@register.simple_tag
def entry_badge(entry: LedgerEntry) -> SafeString:
    colour, icon_name = STATE_LOOKS[EntryState(entry.state)]
    return badge(str(entry.get_state_display()), colour, icon_name)
