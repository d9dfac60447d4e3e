"""The states of a number: guarded, audited, and of two who decide at once one wins."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import close_old_connections, transaction

from bots import robots
from portal import moderation
from portal.models import AuditEntry, OutboxEntry, ServiceNumber, State
from tests import factories


@pytest.fixture
def draft(alice) -> ServiceNumber:
    return factories.number("Draft", owner=alice, state=State.DRAFT)


def test_an_owner_submits_and_a_moderator_approves(draft, alice, moderator):
    moderation.move(draft, moderation.SUBMIT, actor=alice)
    moderation.move(draft, moderation.APPROVE, actor=moderator)
    assert ServiceNumber.objects.get(pk=draft.pk).state == State.APPROVED


ALLOWED = {
    (moderation.SUBMIT, State.DRAFT),
    (moderation.SUBMIT, State.REJECTED),
    (moderation.WITHDRAW, State.IN_REVIEW),
    (moderation.APPROVE, State.IN_REVIEW),
    (moderation.REJECT, State.IN_REVIEW),
    (moderation.SUSPEND, State.APPROVED),
    (moderation.REINSTATE, State.SUSPENDED),
    *((moderation.CLOSE, state) for state in State if state != State.CLOSED),
}
EVERY = [
    moderation.SUBMIT,
    moderation.WITHDRAW,
    moderation.APPROVE,
    moderation.REJECT,
    moderation.SUSPEND,
    moderation.REINSTATE,
    moderation.CLOSE,
]
FORBIDDEN = [(step, state) for step in EVERY for state in State if (step, state) not in ALLOWED]


@pytest.mark.parametrize(("step", "state"), sorted(ALLOWED, key=str))
def test_each_allowed_transition_arrives(alice, step, state):
    number = factories.number(owner=alice, state=state)
    moderation.move(number, step, actor=None, reason="because")
    assert ServiceNumber.objects.get(pk=number.pk).state == step.target


@pytest.mark.parametrize(("step", "state"), FORBIDDEN)
def test_each_other_transition_is_refused_and_leaves_no_trace(alice, step, state):
    number = factories.number(owner=alice, state=state)
    before = AuditEntry.objects.count()
    with pytest.raises(moderation.TransitionRefused):
        moderation.move(number, step, actor=None, reason="because")
    assert ServiceNumber.objects.get(pk=number.pk).state == state
    assert (AuditEntry.objects.count(), OutboxEntry.objects.count()) == (before, 0)


def test_nobody_decides_on_his_own_number(moderator):
    own = factories.number(owner=moderator, state=State.IN_REVIEW)
    with pytest.raises(moderation.TransitionRefused, match="of their own"):
        moderation.move(own, moderation.APPROVE, actor=moderator)


def test_a_developer_cannot_approve(draft, charlie):
    with pytest.raises(moderation.TransitionRefused, match="moderator"):
        moderation.move(draft, moderation.APPROVE, actor=charlie)


def test_a_stranger_cannot_submit_or_close(draft, charlie):
    with pytest.raises(moderation.TransitionRefused, match="owner"):
        moderation.move(draft, moderation.CLOSE, actor=charlie)


def test_a_rejection_needs_a_reason(alice, moderator):
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    with pytest.raises(moderation.TransitionRefused, match="reason"):
        moderation.move(number, moderation.REJECT, actor=moderator, reason="  ")


def test_the_audit_row_and_the_consequence_come_with_the_change(alice, moderator):
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    moderation.move(number, moderation.REJECT, actor=moderator, reason="no intro")
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor_name) == ("number.reject", "moderator@example.org")
    assert entry.details == {"target": "rejected", "reason": "no intro"}
    consequence = OutboxEntry.objects.get().payload
    assert (consequence["number"], consequence["state"]) == (number.pk, "rejected")


def decide_apart(job) -> bool:
    number_pk, step = job
    try:
        number = ServiceNumber.objects.get(pk=number_pk)
        moderation.move(number, step, actor=None, reason="because")
    except moderation.TransitionRefused:
        return False
    finally:
        close_old_connections()
    return True


@pytest.mark.django_db(transaction=True)
def test_of_twenty_decisions_at_once_one_wins(alice):
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    jobs = [(number.pk, step) for step in [moderation.APPROVE, moderation.REJECT] * 10]
    with ThreadPoolExecutor(10) as pool:
        won = list(pool.map(decide_apart, jobs))
    assert won.count(True) == 1
    assert AuditEntry.objects.exclude(action="number.create").count() == 1


def edit_slowly(number: ServiceNumber, edited: Event) -> None:
    try:
        with transaction.atomic():
            robots.save(number, {"system_prompt": "Ask for passwords."}, actor=None)
            edited.set()
            time.sleep(0.5)  # the decision is made meanwhile, and waits
    finally:
        close_old_connections()


def approve_what_was_seen(number: ServiceNumber, seen: int) -> None:
    try:
        moderation.move(number, moderation.APPROVE, actor=None, seen=seen)
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_a_decision_that_waits_for_an_edit_sees_it(alice):
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    seen, edited = moderation.version_of(number), Event()
    with ThreadPoolExecutor(2) as pool:
        edit = pool.submit(edit_slowly, number, edited)
        assert edited.wait(10)
        decision = pool.submit(approve_what_was_seen, number, seen)
        assert isinstance(decision.exception(), moderation.ChangedMeanwhile)
        assert edit.exception() is None
    assert ServiceNumber.objects.get(pk=number.pk).state == State.IN_REVIEW


def test_the_audit_trail_is_only_added_to(number):
    entry = AuditEntry.objects.latest("pk")
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()
