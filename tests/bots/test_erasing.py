"""Erasing a person's conversations: no word stays, no place is lost, whoever else is at work."""

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bots import (
    answering,
    chat,
    claims,
    erasing,
    feed,
    followers,
    journal,
    news,
    ratings,
    settlement,
    tasks,
)
from bots.line import Waiting
from bots.models import (
    Conversation,
    FeedEntry,
    IdempotencyKey,
    Message,
    News,
    Person,
    Robot,
    Status,
)
from bots.settlement import Outcome
from portal.models import AuditEntry
from tests import factories, journals
from tests.bots.at_work import wait_for
from tests.ddio_api.answers import apart, settle, settled

pytestmark = pytest.mark.django_db
PARALLEL = pytest.mark.django_db(transaction=True)


def person(number, open_id="alice") -> Person:
    return Person.objects.get(number=number, open_id=open_id)


def erase(number, open_id="alice") -> erasing.Erased:
    return erasing.erase(person(number, open_id))


def words(**of) -> set[tuple[str, str | None, str]]:
    return set(Message.objects.filter(**of).values_list("question", "answer", "comment"))


@pytest.fixture
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(erasing, "CONVERSATIONS_AT_ONCE", 2)
    monkeypatch.setattr(erasing, "MESSAGES_AT_ONCE", 3)


def talk(number, conversations=3, questions=4, open_id="alice") -> None:
    """Conversations with questions, all answered, the last one of each rated."""
    for _ in range(conversations):
        begun = settled(number, "secret?", "secret", new_conversation=True, open_id=open_id)
        same = {"conversation_id": begun.conversation_id, "open_id": open_id}
        rest = [settled(number, "secret?", "secret", **same) for _ in range(questions - 1)]
        ratings.rate((rest or [begun])[-1], "dislike", "secret comment")


def places(number) -> list[tuple[int, str, str]]:
    entries = FeedEntry.objects.filter(number=number).order_by("seq")
    return list(entries.values_list("seq", "kind", "message"))


# Following ---------------------------------------------------------------------------------------


def test_the_erased_person_follows_no_more_and_has_no_message_left(number, charlie):
    followers.follow(number, charlie)
    theirs = Person.objects.get(number=number, user=charlie)
    to_them = news.send(news.Notice(number, "secret", theirs.open_id))
    to_all = news.send(news.Notice(number, "for everybody"))
    erasing.erase(theirs)
    assert followers.count(number) == 0
    assert not News.objects.filter(pk=to_them.pk).exists()
    assert News.objects.filter(pk=to_all.pk).exists()


# What goes and what stays -----------------------------------------------------------------------


def test_no_word_stays_anywhere(number):
    talk(number)
    erase(number)
    assert words() == {("", None, "")}
    assert set(Conversation.objects.values_list("title", flat=True)) == {""}
    assert set(FeedEntry.objects.values_list("comment", flat=True)) == {""}


def test_every_entry_keeps_its_place(number):
    talk(number)
    before = places(number)
    erase(number)
    assert places(number) == before
    assert [entry[0] for entry in before] == list(range(1, 16))
    assert settled(number, open_id="bob").seq == 16


def test_it_tells_what_it_has_erased_and_the_second_time_nothing(number):
    talk(number, conversations=3, questions=4)
    assert erase(number) == erasing.Erased(conversations=3, messages=12)
    assert erase(number) == erasing.Erased(0, 0)


@pytest.mark.usefixtures("small_batches")
def test_many_are_erased_in_batches(number):
    talk(number, conversations=5, questions=4)
    assert erase(number) == erasing.Erased(5, 20)
    assert words() == {("", None, "")}


def test_the_number_of_queries_grows_with_batches_not_with_rows(
    number, django_assert_max_num_queries
):
    talk(number, conversations=4, questions=5)
    with django_assert_max_num_queries(45):
        erase(number)


def test_nobody_elses_words_are_touched(number, charlies_number):
    talk(number, 1, 1)
    talk(number, 1, 1, open_id="bob")
    talk(charlies_number, 1, 1)
    erase(number)
    assert words(person=person(number, "bob")) == {("secret?", "secret", "secret comment")}
    assert words(number=charlies_number) == {("secret?", "secret", "secret comment")}


def test_idempotency_keys_of_what_was_erased_are_free_again(number):
    settle(factories.message(number, idempotency_key="k1"))
    settle(factories.message(number, idempotency_key="k2", open_id="bob"))
    erase(number)
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["k2"]


def kept_journals() -> list[bytes]:
    return redis.Redis.from_url(settings.REDIS_URL).keys("fw:journal:*")


def test_the_journal_is_forgotten(number):
    message = claims.claim(factories.message(number).pk, "tests")
    settlement.settle(message, Outcome(Status.DONE, answer="secret"))
    write(message, "secret")
    assert len(kept_journals()) == 1
    erase(number)
    assert kept_journals() == []


def write(message, text: str) -> None:
    asyncio.run(journals.write(message, [text], message.attempt))


def test_it_is_on_the_audit_trail_once_as_the_apps_deed(number):
    talk(number, 1, 1)
    erase(number)
    erase(number)
    entry = AuditEntry.objects.get(action="person.erased")
    assert (entry.actor, entry.actor_name, entry.number) == (None, "app", number)
    assert entry.details == {"person": "alice"}


# What is unsettled --------------------------------------------------------------------------------


def test_a_question_in_line_is_cancelled(number):
    factories.message(number, "secret?")
    erase(number)
    message = Message.objects.get()
    assert (message.status, message.question, message.answer) == ("cancelled", "", None)
    assert places(number) == [(1, "answer", message.pk)]


def test_what_was_said_of_an_answer_is_not_kept_for_a_moment(number, monkeypatch):
    message = claims.claim(factories.message(number).pk, "tests")
    write(message, "secret")
    monkeypatch.setattr(erasing, "_empty_some", lambda *_: 0)
    erase(number)
    assert Message.objects.get().answer == ""


@PARALLEL
def test_the_upstream_is_closed_and_what_it_said_last_is_forgotten(
    number, upstream, worker, monkeypatch
):
    Robot.objects.update(model="slow")
    factories.key(number, upstream.url)
    message = factories.message(number)
    monkeypatch.setattr(journal.Writer, "close", close_late(journal.Writer.close))
    worker.tell([Waiting(message.pk, number.pk)])
    wait_for(lambda: journal.text_so_far(message.pk, 1))
    erase(number)
    wait_for(lambda: not worker.desk.attempts())
    wait_for(lambda: upstream.calls()["aborted"] == 1)
    assert (words(), kept_journals()) == ({("", None, "")}, [])


def close_late(close):
    async def closed(writer: journal.Writer) -> None:
        await asyncio.sleep(0.3)
        writer.put("a last word")
        await close(writer)

    return closed


@PARALLEL
def test_a_late_answer_is_fenced_off_and_forgotten(number, worker):
    message = claims.claim(factories.message(number, "secret?").pk, "tests")
    erase(number)
    write(message, "secret")
    worker.run(answering._settle(message, Outcome(Status.DONE, answer="secret"), worker))
    assert (Message.objects.get().status, words()) == ("cancelled", {("", None, "")})
    assert kept_journals() == []


def test_a_rating_that_comes_too_late_is_none(number):
    message = settled(number)
    erase(number)
    with pytest.raises(ratings.NotRateable):
        ratings.rate(message, "dislike", "secret comment")
    assert places(number) == [(1, "answer", message.pk)]
    assert words() == {("", None, "")}


# What comes afterwards ----------------------------------------------------------------------------


def test_the_next_question_begins_a_new_conversation(number):
    old = settled(number).conversation_id
    erase(number)
    assert factories.message(number, "New?").conversation_id != old
    assert erase(number) == erasing.Erased(1, 1)


def test_an_erased_conversation_is_not_gone_on_with(number):
    old = settled(number).conversation_id
    erase(number)
    with pytest.raises(chat.UnknownConversation):
        factories.message(number, conversation_id=old)


@pytest.mark.usefixtures("small_batches")
def test_what_was_interrupted_is_hidden_and_the_next_call_goes_on(number, monkeypatch):
    talk(number, conversations=3, questions=4)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "forget", die)
        with pytest.raises(KeyboardInterrupt):
            erase(number)
    assert not Conversation.objects.kept().exists()
    assert erase(number) == erasing.Erased(conversations=3, messages=9)
    assert words() == {("", None, "")}


@pytest.mark.usefixtures("small_batches")
def test_what_was_interrupted_is_finished_by_the_tidying(number, monkeypatch):
    talk(number)
    factories.message(number, "secret?")
    with monkeypatch.context() as patch:
        patch.setattr(settlement, "cancel", die)
        with pytest.raises(KeyboardInterrupt):
            erase(number)
    tasks.tidy()
    assert words() == {("", None, "")}
    assert not Conversation.objects.to_empty().exists()


def die(*_args, **_options) -> None:
    raise KeyboardInterrupt


def test_without_valkey_the_rows_are_erased_all_the_same(number, monkeypatch):
    talk(number, 1, 1)
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:1/0")
    assert erase(number) == erasing.Erased(1, 1)
    assert words() == {("", None, "")}


# At the same time ---------------------------------------------------------------------------------


@PARALLEL
def test_a_question_that_came_first_is_erased_too(number):
    settled(number)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            factories.message(number, "secret?")
            erased = pool.submit(apart(erase), number)
            with pytest.raises(TimeoutError):
                erased.result(0.3)
        assert erased.result(10) == erasing.Erased(1, 2)
    assert words() == {("", None, "")}


@PARALLEL
def test_a_question_that_comes_second_begins_anew(number):
    old = settled(number).conversation_id
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            erasing._hide_some(person(number), audited=True)
            asked = pool.submit(apart(factories.message), number)
            with pytest.raises(TimeoutError):
                asked.result(0.3)
        assert asked.result(10).conversation_id != old


@PARALLEL
def test_an_answer_that_is_being_settled_is_erased_when_it_is(number, monkeypatch):
    message = claims.claim(factories.message(number, "secret?").pk, "tests")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            settlement.settle(message, Outcome(Status.DONE, answer="secret"))
            erased = pool.submit(apart(erase), number)
            with pytest.raises(TimeoutError):
                erased.result(0.3)
        assert erased.result(10) == erasing.Erased(1, 1)
    assert (Message.objects.get().status, words()) == ("done", {("", None, "")})


@PARALLEL
def test_a_rating_that_is_being_given_is_erased_when_it_is(number):
    message = settled(number)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ratings.rate(message, "dislike", "secret comment")
            erased = pool.submit(apart(erase), number)
            with pytest.raises(TimeoutError):
                erased.result(0.3)
        erased.result(10)
    assert words() == {("", None, "")}
    assert set(FeedEntry.objects.values_list("comment", flat=True)) == {""}


@PARALLEL
@pytest.mark.usefixtures("small_batches")
def test_amid_asking_answering_rating_and_a_second_erasing_nothing_reappears(number, monkeypatch):
    monkeypatch.setattr(settings, "PENDING_PER_PERSON", 1000)
    talk(number, conversations=4, questions=3)
    over, turn = threading.Event(), itertools.count()

    def keep_asking() -> None:
        while not over.is_set():
            fresh = next(turn) % 3 == 0
            answer(factories.message(number, "secret?", new_conversation=fresh))

    with ThreadPoolExecutor(6) as pool:
        askers = [pool.submit(apart(keep_asking)) for _ in range(4)]
        erasers = [pool.submit(apart(erase), number) for _ in range(2)]
        told = [eraser.result(60) for eraser in erasers]
        over.set()
        _done = [asker.result(60) for asker in askers]
    assert (
        sum(one.conversations for one in told)
        == Conversation.objects.exclude(erased_at=None).count()
    )
    assert words(conversation__erased_at__isnull=False) == {("", None, "")}
    assert {entry.comment for entry in entries_of_erased()} == {""}
    seqs = [entry.seq for entry in whole_feed(number)]
    assert seqs == list(range(1, len(seqs) + 1))


def answer(message: Message) -> None:
    """As a worker would, with a person who rates at once."""
    claimed = claims.claim(message.pk, "tests")
    if claimed and settlement.settle(claimed, Outcome(Status.DONE, answer="secret")):
        claimed.refresh_from_db()
        if ratings.is_rateable(claimed):
            rate(claimed)


def rate(message: Message) -> None:
    try:
        ratings.rate(message, "dislike", "secret comment")
    except ratings.NotRateable:
        return


def entries_of_erased() -> list[FeedEntry]:
    return list(FeedEntry.objects.filter(message__conversation__erased_at__isnull=False))


def whole_feed(number) -> list[FeedEntry]:
    cursor, found = 0, list[FeedEntry]()
    while page := feed.read(feed.Query(number.pk, cursor, limit=200)).entries:
        found, cursor = found + page, page[-1].seq
    return found


def test_marks_are_times(number):
    settled(number)
    erase(number)
    conversation, message = Conversation.objects.get(), Message.objects.get()
    assert conversation.erased_at <= message.erased_at <= conversation.emptied_at <= timezone.now()


@PARALLEL
def test_it_wakes_whoever_waits_for_the_answer(number, monkeypatch):
    woken = []
    message = factories.message(number)
    monkeypatch.setattr(journal, "end_all", woken.extend)
    erase(number)
    assert woken == [(message.pk, message.number_id)]
