"""The states of a service number: who may move it from where to where, and what follows.

A transition is one conditional UPDATE of a locked row, so of two moderators who decide at once one
wins; its audit row and its consequence (the outbox) are written in the same transaction.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import app_records, audit, outbox
from portal.models import AuditEntry, ServiceNumber, State, User

STATE_CHANGED = "number.state_changed"


class TransitionRefused(Exception):
    """The number is not in a state, or the actor not in a position, that allows it."""


class ChangedMeanwhile(TransitionRefused):
    """The number is not any more what the actor had before him when he decided."""


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


def _of_content() -> QuerySet[AuditEntry]:
    """What a decision is about leaves audit rows: moves and edits of the profile and the robot."""
    return AuditEntry.objects.filter(
        Q(action__startswith="number.") | Q(action__startswith="robot.")
    )


def version_of(number: ServiceNumber) -> int:
    """Grows with every change that a decision must know of."""
    newest = _of_content().filter(number=number).order_by("-pk").values_list("pk", flat=True)
    return newest.first() or 0


def move(
    number: ServiceNumber,
    transition: Transition,
    *,
    actor: User | None,
    reason: str = "",
    seen: int | None = None,
) -> None:
    """Carry the transition out, or raise TransitionRefused with a sentence for the actor.

    `seen` is the version that the actor decided on; a later one raises ChangedMeanwhile.
    """
    _authorise(number, transition, actor)
    if transition.needs_reason and not reason.strip():
        raise TransitionRefused(_("Give a reason: the developer will read it."))
    now = timezone.now()
    with transaction.atomic():
        # A statement of its own: the UPDATE would not see what was committed while it waited for
        # somebody who edits the number's content under this very lock.
        ServiceNumber.objects.locked(number.pk)
        here = ServiceNumber.objects.filter(pk=number.pk, state__in=transition.origins)
        if seen is not None:
            here = here.exclude(Exists(_of_content().filter(number=OuterRef("pk"), pk__gt=seen)))
        moved = here.update(state=transition.target, state_reason=reason, state_changed_at=now)
        if not moved:
            raise _too_late(number, transition)
        app_records.changed(number.pk)
        audit.record(
            f"number.{transition.action}",
            actor=actor,
            number=number,
            target=transition.target.value,
            reason=reason,
        )
        outbox.add(
            STATE_CHANGED,
            number=number.pk,
            action=transition.action,
            state=transition.target.value,
            reason=reason,
            at=now.isoformat(),
        )
    number.refresh_from_db(fields=["state", "state_reason", "state_changed_at"])


def _too_late(number: ServiceNumber, transition: Transition) -> TransitionRefused:
    number.refresh_from_db(fields=["state"])
    if number.state in transition.origins:
        return ChangedMeanwhile(_("It changed meanwhile. Look again, then decide."))
    state = number.get_state_display()
    return TransitionRefused(_("The service number is %(state)s now.") % {"state": state})
