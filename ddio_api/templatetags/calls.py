"""How a call looks: its operation by its path, its outcome as a badge, its code in a sentence."""

from django import template
from django.utils.safestring import SafeString

from ddio_api import operations
from ddio_api.errors import TABLE
from ddio_api.models import Call, Outcome
from portal.templatetags.shell import badge

register = template.Library()

COMMON_PREFIX = "/platform/api2"

OUTCOME_LOOKS = {
    Outcome.OK: ("green", "circle-check"),
    Outcome.REFUSED: ("orange", "ban"),
    Outcome.FAILED: ("red", "circle-x"),
    Outcome.LEFT: ("secondary", "logout"),
}


@register.simple_tag
def outcome_badge(outcome: str) -> SafeString:
    known = Outcome(outcome)
    colour, icon_name = OUTCOME_LOOKS[known]
    return badge(str(known.label), colour, icon_name)


@register.filter
def short_path(call: Call) -> str:
    """The path of the call's operation, without what all of DDIO's have in common; what is no
    operation any more is shown by its name."""
    return operations.paths().get(call.operation, call.operation).removeprefix(COMMON_PREFIX)


@register.filter
def code_in_words(code: int) -> str:
    """The table's sentence; codes of answers that failed upstream have theirs elsewhere."""
    return str(TABLE[code].message) if code in TABLE else ""
