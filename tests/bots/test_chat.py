"""Asking: what is accepted, what is refused, and what stands in the database afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import close_old_connections
from django.utils import timezone

from bots import chat, settlement
from bots.models import Conversation, IdempotencyKey, Message, Person, Prompt, Status
from tests import factories
from tests.ddio_api.answers import settle


def test_it_writes_the_question_and_its_pending_answer(number):
    message = factories.message(number, "What is your name?")
    stored = Message.objects.get()
    assert (stored.pk, stored.question, stored.status) == (
        message.pk,
        "What is your name?",
        "queued",
    )
    assert (stored.answer, stored.seq, stored.attempt) == (None, None, 0)


@pytest.mark.django_db(transaction=True)
def test_it_nudges_a_worker_after_the_commit(number, nudged):
    message = factories.message(number)
    assert nudged == [("bots.tasks.answer", (message.pk, number.pk))]


def test_it_continues_the_persons_latest_open_conversation(number):
    first = factories.message(number)
    second = factories.message(number)
    assert second.conversation_id == first.conversation_id
    assert (first.position, second.position) == (1, 2)


def test_it_starts_a_conversation_where_the_latest_is_closed(number):
    first = factories.message(number)
    Conversation.objects.update(closed_at=timezone.now())
    assert factories.message(number).conversation_id != first.conversation_id


def test_it_refuses_another_persons_conversation(number):
    theirs = factories.message(number, open_id="bob").conversation_id
    with pytest.raises(chat.UnknownConversation):
        factories.message(number, open_id="alice", conversation_id=theirs)
    assert Person.objects.filter(open_id="alice").count() == 0


def test_two_numbers_know_the_same_name_as_two_people(number, charlies_number):
    here = factories.message(number).conversation_id
    with pytest.raises(chat.UnknownConversation):
        factories.message(charlies_number, conversation_id=here)


def test_callers_cannot_invent_platform_names(number):
    with pytest.raises(chat.UnknownPerson):
        factories.message(number, open_id="o_invented")


def test_callers_may_address_platform_names(number):
    Person.objects.create(number=number, open_id="o_known")
    assert factories.message(number, open_id="o_known").person.open_id == "o_known"


def test_it_refuses_more_pending_questions_than_allowed(number, settings):
    settings.PENDING_PER_PERSON = 2
    factories.message(number)
    factories.message(number)
    with pytest.raises(chat.TooManyPending):
        factories.message(number)
    assert factories.message(number, open_id="bob").is_new


def test_a_repeated_idempotency_key_is_the_same_message(number):
    first = factories.message(number, idempotency_key="k1")
    again = factories.message(number, idempotency_key="k1")
    assert again.pk == first.pk
    assert (first.is_new, again.is_new) == (True, False)


def test_an_idempotency_key_for_another_question_is_a_conflict(number):
    factories.message(number, "one", idempotency_key="k1")
    with pytest.raises(chat.IdempotencyConflict):
        factories.message(number, "two", idempotency_key="k1")


def test_idempotency_keys_of_two_numbers_do_not_meet(number, charlies_number):
    ours = factories.message(number, idempotency_key="k1")
    theirs = factories.message(charlies_number, idempotency_key="k1")
    assert ours.pk != theirs.pk


def test_a_refused_question_keeps_no_idempotency_key(number, settings):
    settings.PENDING_PER_PERSON = 1
    factories.message(number)
    with pytest.raises(chat.TooManyPending):
        factories.message(number, idempotency_key="k1")
    assert not IdempotencyKey.objects.exists()


def test_an_idempotency_key_is_free_again_after_a_day(number):
    first = factories.message(number, "one", idempotency_key="k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert factories.message(number, "two", idempotency_key="k1").pk != first.pk


def ask_apart(question: chat.Question) -> str:
    """Ask in a thread, with a connection of its own."""
    try:
        return chat.ask(question).pk
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_asks_with_one_key_are_one_message(number):
    question = factories.question(number, idempotency_key="k1")
    with ThreadPoolExecutor(10) as pool:
        messages = set(pool.map(ask_apart, [question] * 50))
    assert len(messages) == 1
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_asks_of_a_newcomer_share_one_conversation_in_order(number, settings):
    settings.PENDING_PER_PERSON = 100
    questions = [factories.question(number, f"question {index}") for index in range(30)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask_apart, questions))
    positions = Message.objects.order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, 31))
    assert Conversation.objects.count() == 1


def test_a_replay_finds_the_settled_message(number):
    first = factories.message(number, idempotency_key="k1")
    settlement.cancel(first)
    assert factories.message(number, idempotency_key="k1").status == Status.CANCELLED


def test_old_idempotency_keys_are_forgotten(number):
    factories.message(number, idempotency_key="k1")
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(hours=25))
    chat.forget_idempotency_keys()
    assert not IdempotencyKey.objects.exists()


def test_the_digest_of_a_plain_request_is_as_it_ever_was(number):
    plain = factories.question(number, "Hello?", open_id="bob").digest
    assert plain == "a43d0c20890d1f81bd5cbd8dc40f66e4927134973b2526b5e8e2920b33e0f037"
    assert plain != factories.question(number, open_id="bob", new_conversation=True).digest


def test_a_new_conversation_begins_where_one_is_wanted(number):
    first = factories.message(number)
    assert factories.message(number, new_conversation=True).conversation_id != first.conversation_id


def test_names_that_the_platform_made_are_let_in(number):
    assert factories.message(number, open_id="o_made", vouched=True).person.open_id == "o_made"


# What a caller gives instead of a conversation --------------------------------------------------


def given(request: str = "") -> chat.Given:
    return chat.Given([{"role": "user", "content": "Hello?"}], {"top_p": 0.5}, request)


def test_what_was_given_is_kept_with_the_message(number):
    message = factories.message(number, given=given())
    kept = Prompt.objects.get()
    assert (kept.message_id, kept.params) == (message.pk, {"top_p": 0.5})
    assert kept.turns == [{"role": "user", "content": "Hello?"}]


def test_it_goes_when_the_message_goes(number):
    message = factories.message(number, given=given())
    Prompt.objects.filter(message__in=[message]).delete()
    factories.message(number, given=given()).delete()
    assert not Prompt.objects.exists()


def test_it_is_forgotten_when_the_answer_is_old(number):
    old, fresh, awaited = (factories.message(number, given=given()) for _ in range(3))
    settle(old)
    settle(fresh)
    long_ago = timezone.now() - chat.PROMPT_KEPT - timedelta(minutes=1)
    Message.objects.filter(pk=old.pk).update(answered_at=long_ago)
    chat.forget_prompts()
    kept = Prompt.objects.values_list("message", flat=True)
    assert set(kept) == {fresh.pk, awaited.pk}


def test_each_is_a_conversation_of_its_own_that_nothing_goes_on_with(number):
    asked = [{}, {"given": given()}, {"given": given()}, {}]
    first, *own, last = [factories.message(number, **each).conversation_id for each in asked]
    assert first == last
    assert len({first, *own}) == 3


def test_a_repeated_key_compares_all_that_was_sent(number):
    first, again = (
        factories.message(number, given=given("{}"), idempotency_key="k") for _ in range(2)
    )
    assert first.pk == again.pk
    with pytest.raises(chat.IdempotencyConflict):
        factories.message(number, given=given('{"n": 1}'), idempotency_key="k")


def test_a_refused_question_keeps_nothing_of_what_was_given(number, settings):
    settings.PENDING_PER_PERSON = 0
    with pytest.raises(chat.TooManyPending):
        factories.message(number, given=given())
    assert not Prompt.objects.exists()
