"""The states of a service number: who may move it from where to where, and what follows.

A transition is one conditional UPDATE, so of two moderators who decide at once one wins; its audit
row and its consequence (the outbox) are written in the same transaction.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import audit, outbox
from portal.models import ServiceNumber, State, User

STATE_CHANGED = "number.state_changed"


class TransitionRefused(Exception):
    """The number is not in a state, or the actor not in a position, that allows it."""


@dataclass(frozen=True)
class Transition:
    action: str
    origins: tuple[State, ...]
    target: State
    by_moderator: bool = False
    needs_reason: bool = False


SUBMIT = Transition("submit", (State.DRAFT, State.REJECTED), State.IN_REVIEW)
WITHDRAW = Transition("withdraw", (State.IN_REVIEW,), State.DRAFT)
APPROVE = Transition("approve", (State.IN_REVIEW,), State.APPROVED, by_moderator=True)
REJECT = Transition("reject", (State.IN_REVIEW,), State.REJECTED, True, needs_reason=True)
SUSPEND = Transition("suspend", (State.APPROVED,), State.SUSPENDED, True, needs_reason=True)
REINSTATE = Transition("reinstate", (State.SUSPENDED,), State.APPROVED, by_moderator=True)
_OPEN = tuple(state for state in State if state is not State.CLOSED)
CLOSE = Transition("close", _OPEN, State.CLOSED)

_NOT_HIS_OWN = gettext_lazy("Nobody decides on a service number of their own.")


def _authorise(number: ServiceNumber, transition: Transition, actor: User | None) -> None:
    """The operator's shell (no actor) may do everything; people only what is theirs to do."""
    if actor is None:
        return
    owns = number.owner_id == actor.pk
    if transition.by_moderator and owns:
        raise TransitionRefused(_NOT_HIS_OWN)
    if transition.by_moderator and not (actor.is_moderator or actor.is_superuser):
        raise TransitionRefused(_("Only a moderator may decide this."))
    if not transition.by_moderator and not owns:
        raise TransitionRefused(_("Only the number's owner may do this."))


def move(
    number: ServiceNumber, transition: Transition, *, actor: User | None, reason: str = ""
) -> None:
    """Carry the transition out, or raise TransitionRefused with a sentence for the actor."""
    _authorise(number, transition, actor)
    if transition.needs_reason and not reason.strip():
        raise TransitionRefused(_("Give a reason: the developer will read it."))
    now = timezone.now()
    with transaction.atomic():
        here = ServiceNumber.objects.filter(pk=number.pk, state__in=transition.origins)
        moved = here.update(state=transition.target, state_reason=reason, state_changed_at=now)
        if not moved:
            number.refresh_from_db(fields=["state"])
            state = number.get_state_display()
            raise TransitionRefused(_("The service number is %(state)s now.") % {"state": state})
        audit.record(
            f"number.{transition.action}",
            actor=actor,
            number=number,
            target=transition.target.value,
            reason=reason,
        )
        outbox.add(
            STATE_CHANGED, number=number.pk, state=transition.target.value, at=now.isoformat()
        )
    number.refresh_from_db(fields=["state", "state_reason", "state_changed_at"])
