"""Why an answer failed: the codes of the open interface, with their words and their patience."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

NO_USABLE_KEY = 71001
KEY_REFUSED = 71002
NO_ACCESS = 71003
OUT_OF_QUOTA = 71004
RATE_LIMITED = 71005
PROVIDER_FAULT = 71006
TIMED_OUT = 71007
CUT_OFF = 71008
TOO_LARGE = 71009
ATTEMPTS_USED_UP = 71010
BUDGET_USED_UP = 71011
BLOCKED = 87014
WITHHELD = 50002


@dataclass(frozen=True)
class Remedy:
    """What the robot's owner reads instead, and where he mends it: a page of the number."""

    sentence: str | Promise
    action: str | Promise
    route: str


@dataclass(frozen=True)
class Fault:
    """`attempts`: how often the question is tried in all before the answer fails with this."""

    message: str | Promise
    attempts: int = 1


FAULTS = {
    NO_USABLE_KEY: Fault(
        _(
            "The robot is not available: it has no usable API key. Its owner must bind one that is"
            " valid."
        )
    ),
    KEY_REFUSED: Fault(_("The provider refused the robot's API key. Its owner must replace it.")),
    NO_ACCESS: Fault(
        _("The robot's API key has no access to the model. Its owner must choose one.")
    ),
    OUT_OF_QUOTA: Fault(_("The robot's API key has used up its quota at the provider.")),
    RATE_LIMITED: Fault(_("The provider takes no more calls right now. Ask again later."), 5),
    PROVIDER_FAULT: Fault(
        _("The provider could not be reached or reported a fault. Ask again."), 3
    ),
    TIMED_OUT: Fault(_("The provider took too long to answer. Ask again."), 2),
    CUT_OFF: Fault(_("The provider's answer was cut off or unreadable. Ask again."), 2),
    TOO_LARGE: Fault(_("The provider's answer was too large. Ask for less at a time.")),
    ATTEMPTS_USED_UP: Fault(_("Answering was interrupted too many times. Ask again.")),
    BUDGET_USED_UP: Fault(
        _(
            "The budget is used up: the robot's for this month, or your share of it for today. The"
            " robot's owner can raise it."
        )
    ),
    BLOCKED: Fault(_("The safety filter blocked the question or the answer.")),
    WITHHELD: Fault(_("The service number was suspended or closed, so the answer is withheld.")),
}

REMEDIES = {
    NO_USABLE_KEY: Remedy(_("Your robot has no valid API key."), _("Add one"), "number-keys"),
    KEY_REFUSED: Remedy(
        _("The provider refused your robot's API key."), _("Replace it"), "number-keys"
    ),
    NO_ACCESS: Remedy(
        _("Your robot's API key has no access to the model."),
        _("Choose another model"),
        "number-robot",
    ),
}


def sentence(code: int | None) -> str:
    """Why an answer failed or was withheld; "" where nothing went wrong."""
    if code is None:
        return ""
    known = FAULTS.get(code)
    return str(known.message) if known else gettext("Error %(code)d.") % {"code": code}
