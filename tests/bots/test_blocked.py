"""From a claimed question to one that the safety filter blocked; and who can read why."""

import pytest
from django.urls import reverse

from bots import blocked, erasing, faults, journal, safety, safety_own, settlement
from bots.following import Follower, Place, Reset
from bots.line import Waiting
from bots.models import ApiKey, BlockedAnswer, KeyStatus, Message, Robot, Status
from portal.hold import in_thread
from tests import factories
from tests.bots import talking
from tests.bots.at_work import answer_now, wait_for
from tests.bots.test_safety import block
from tests.conftest import page

pytestmark = pytest.mark.django_db(transaction=True)
BLOCKED = (Status.FAILED, 87014, None)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(safety_own, "_ready", safety_own._Ready())
    monkeypatch.setattr(safety.Moderation, "_silent", {})


def use_model(number, model: str) -> None:
    Robot.objects.filter(number=number).update(model=model)


def answer(worker, message: Message) -> Message:
    answer_now(worker, message.pk)
    return Message.objects.get(pk=message.pk)


def fate(message: Message) -> tuple[str, int | None, str | None]:
    return message.status, message.error_code, message.answer


def why() -> tuple[str, str, str, str]:
    [found] = BlockedAnswer.objects.all()
    return found.place, found.source, found.words, found.text


# Word lists -------------------------------------------------------------------------------------


def test_a_blocked_question_goes_to_no_provider(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "敏感词")
    message = answer(worker, factories.message(number, "什么是敏*感*词？"))
    assert fate(message) == BLOCKED
    assert why() == ("question", "number", "敏感词", "")
    assert (upstream.calls()["total"], upstream.calls()["moderations"]) == (0, 0)


def test_a_blocked_question_needs_no_key(number, worker):
    block(number, "敏感词")
    assert fate(answer(worker, factories.message(number, "敏感词"))) == BLOCKED


def test_what_holds_no_word_is_answered(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "敏感词", "ass", "you are")
    message = answer(worker, factories.message(number, "a class"))
    assert (message.status, message.answer) == (Status.DONE, "You said: a class")


def test_an_answer_ends_before_a_blocked_word(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "said")
    message = answer(worker, factories.message(number))
    assert fate(message) == BLOCKED
    place, source, words, text = why()
    assert (place, source, words) == ("answer", "number", "said")
    assert text.startswith("You said")


def test_the_upstream_call_ends_with_it(number, upstream, worker):
    use_model(number, "slow")
    factories.key(number, upstream.url)
    block(number, "3 4")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: Message.objects.get().status == Status.FAILED)
    wait_for(lambda: upstream.calls()["aborted"] == 1)
    assert fate(Message.objects.get()) == BLOCKED
    assert (upstream.calls()["total"], why()[3]) == (1, "1 2 3 4 ")


def test_what_was_written_of_it_is_gone(number, upstream, worker):
    use_model(number, "slow")
    factories.key(number, upstream.url)
    block(number, "5 6")
    message = factories.message(number)
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    assert "5" not in journal.text_so_far(message.pk, 1)
    wait_for(lambda: not worker.desk.attempts())
    assert worker.run(journal.read(message.pk)) == []


async def told(message: Message, place: Place) -> list[object]:
    follower = Follower(message.pk, place, lambda: in_thread(Message.objects.get, pk=message.pk))
    return [event async for event in follower.events()]


def test_whoever_has_read_a_part_is_told_to_forget_it(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "said")
    message = answer(worker, factories.message(number))
    reset, done = worker.run(told(message, Place(1, 4)))
    assert isinstance(reset, Reset)
    assert fate(done.message) == BLOCKED


def test_the_key_that_answered_and_the_model_are_kept(number, upstream, worker):
    key = factories.key(number, upstream.url)
    block(number, "said")
    message = answer(worker, factories.message(number))
    assert (message.api_key_id, message.model) == (key.pk, "echo")


def test_a_blocked_question_is_not_what_the_next_one_is_asked_with(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "敏感词")
    answer(worker, factories.message(number, "敏感词"))
    assert answer(worker, factories.message(number, "ping")).answer == "You said: ping"
    assert "敏感词" not in str(upstream.calls()["last"])


# The provider's moderation ----------------------------------------------------------------------


def test_a_question_that_the_provider_flags_is_not_answered(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, moderated=True)
    assert fate(answer(worker, factories.message(number, "please flag-me"))) == BLOCKED
    assert why() == ("question", "provider", "harassment", "")
    assert (upstream.calls()["total"], upstream.calls()["moderations"]) == (0, 1)


def test_a_question_that_its_moderation_keeps_back_says_nothing_of_the_key(
    number, upstream, worker
):
    factories.key(number, upstream.url, status=KeyStatus.OUT_OF_QUOTA)
    block(number, moderated=True)
    answer(worker, factories.message(number, "please flag-me"))
    assert ApiKey.objects.get().status == KeyStatus.OUT_OF_QUOTA


def test_an_answer_that_the_provider_flags_is_withdrawn(number, upstream, worker, monkeypatch):
    monkeypatch.setattr("bots.simulator.server.FLAGGED", "You said")
    factories.key(number, upstream.url)
    block(number, moderated=True)
    message = answer(worker, factories.message(number, "ping"))
    assert fate(message) == BLOCKED
    assert why() == ("answer", "provider", "harassment", "You said: ping")
    assert message.prompt_tokens > 0  # it was paid for


def test_what_is_not_flagged_is_answered(number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, moderated=True)
    assert answer(worker, factories.message(number, "ping")).answer == "You said: ping"
    assert upstream.calls()["moderations"] == 2


def test_nobody_is_asked_where_the_robot_does_not_want_it(number, upstream, worker):
    factories.key(number, upstream.url)
    assert answer(worker, factories.message(number, "flag-me")).status == Status.DONE
    assert upstream.calls()["moderations"] == 0


def test_a_provider_without_moderation_is_asked_once_an_hour(number, upstream, worker):
    factories.key(number, upstream.url, "sk-nolist-1")
    block(number, moderated=True)
    for _again in range(2):
        assert answer(worker, factories.message(number, "flag-me")).status == Status.DONE
    assert upstream.calls()["moderations"] == 1


def test_a_moderation_that_hangs_does_not_keep_people_waiting(
    number, upstream, worker, monkeypatch
):
    monkeypatch.setattr("bots.provider.MODERATION_SECONDS", 0.0)
    factories.key(number, upstream.url)
    block(number, moderated=True)
    assert answer(worker, factories.message(number, "flag-me")).status == Status.DONE


# Erasing ----------------------------------------------------------------------------------------


def test_what_was_blocked_is_erased_with_the_person(number, worker):
    block(number, "敏感词")
    message = answer(worker, factories.message(number, "敏感词"))
    erasing.erase(message.person)
    assert not BlockedAnswer.objects.exists()


# Who can read why -------------------------------------------------------------------------------


def found_in(number, text: str = "Is it so?", **fields) -> Message:
    """A question whose answer was blocked."""
    message = factories.message(number, text, **fields)
    Message.objects.filter(pk=message.pk).update(status=Status.RUNNING, attempt=1)
    message.refresh_from_db()
    finding = blocked.Finding("answer", "operator", "badword", "It is badword")
    ended = safety.outcome(settlement.failure(faults.BLOCKED), finding)
    settlement.settle(message, ended)
    return message


SENTENCE = "Blocked: word “badword” in the answer (the platform&#x27;s list)."


@pytest.mark.parametrize("name", ["number-feedback", "number-safety"])
def test_the_owner_reads_what_was_blocked_and_why(as_alice, number, name):
    found_in(number)
    shown = page(as_alice.get(reverse(name, args=[number.app_id])))
    assert SENTENCE in shown
    assert "It is badword" in shown


def test_the_moderator_reads_it_at_the_desk(client, moderator, number):
    found_in(number)
    client.force_login(moderator)
    shown = page(client.get(reverse("review-number", args=[number.app_id])))
    assert SENTENCE in shown
    assert "questions 0, answers 1" in shown
    assert "Is it so?" in shown


def test_of_other_numbers_it_shows_nothing(client, moderator, number, charlies_number):
    found_in(number)
    client.force_login(moderator)
    shown = page(client.get(reverse("review-number", args=[charlies_number.app_id])))
    assert "The filter has blocked nothing." in shown


def test_the_person_who_asked_reads_that_it_was_blocked_not_why(client, charlie, number):
    person = talking.asked_by(charlie, number).person
    message = found_in(number, open_id=person.open_id, channel="web")
    client.force_login(charlie)
    shown = page(client.get(talking.conversation_page(message)))
    assert "The safety filter blocked the question or the answer." in shown
    assert "badword" not in shown


def test_charlie_gets_nothing_of_it(client, charlie, number):
    found_in(number)
    client.force_login(charlie)
    for name in ("number-feedback", "number-safety"):
        assert client.get(reverse(name, args=[number.app_id])).status_code == 404


def test_a_suspended_numbers_answer_is_withheld_whatever_was_found(number):
    message = factories.message(number)
    Message.objects.update(status=Status.RUNNING, attempt=1)
    message.refresh_from_db()
    factories.put(number, "suspended")
    finding = blocked.Finding("answer", "operator", "badword", "It is badword")
    settlement.settle(message, safety.outcome(settlement.failure(faults.BLOCKED), finding))
    assert not BlockedAnswer.objects.exists()
    assert Message.objects.get().error_code == faults.WITHHELD


def test_no_more_than_the_end_of_a_long_answer_is_kept(number):
    message = factories.message(number)
    finding = blocked.Finding("answer", "number", "词" * 300, "a" * 5000 + "词")
    blocked.record([(message, finding)], message.asked_at)
    [row] = BlockedAnswer.objects.all()
    assert (len(row.text), row.text[-1], len(row.words)) == (2000, "词", 200)
