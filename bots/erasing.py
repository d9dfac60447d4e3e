"""Erasing what a person has said and heard: the words go, the places in the feed stay.

It goes on in bounded batches, each a transaction of its own, and the rows say what is left: a
conversation is first hidden (`erased_at`), then emptied (`emptied_at`), its messages one batch
after the other (`Message.erased_at`). Whatever interrupts it, the next call or the next tidying
goes on from there.

The person's row is locked while conversations are hidden, and whoever asks locks it too. So a
question comes before that, into a conversation that is emptied afterwards; or after it, into a new
one. What is unsettled in a hidden conversation is cancelled before it is emptied: an answer that
settles in between is emptied with the others, one that comes later is fenced off.
"""

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from bots import blocked, followers, journal, news, settlement
from bots.models import Conversation, FeedEntry, IdempotencyKey, Message, Person, Prompt
from portal import audit

CONVERSATIONS_AT_ONCE = 200
MESSAGES_AT_ONCE = 500


@dataclass(frozen=True)
class Erased:
    """What one call has erased; nothing is left for a second one."""

    conversations: int = 0
    messages: int = 0


def erase(person: Person) -> Erased:
    """Erase everything that was asked and answered before; returns when nothing of it is left.

    The person follows the number no more, and what it sent to them alone goes, too.
    """
    followers.forget(person)
    news.forget(person)
    is_first = True
    while _hide_some(person, audited=is_first):
        is_first = False
    return _empty_all(person)


def finish_interrupted() -> None:
    """Go on with what a process that died has left half erased."""
    begun = Conversation.objects.to_empty().order_by().values("person").distinct()
    for person in Person.objects.filter(pk__in=begun):
        _empty_all(person)


def is_erased(message: Message) -> bool:
    erased = Conversation.objects.filter(pk=message.conversation_id, erased_at__isnull=False)
    return erased.exists()


def forget_if_erased(message: Message) -> None:
    """For a worker whose attempt was stopped: what it wrote since is forgotten, too."""
    if is_erased(message):
        journal.forget([message.pk])


@transaction.atomic
def _hide_some(person: Person, *, audited: bool) -> int:
    _lock(person)
    kept = person.conversations.kept().order_by("pk").values_list("pk", flat=True)
    some = list(kept[:CONVERSATIONS_AT_ONCE])
    now = timezone.now()
    hidden = Conversation.objects.filter(pk__in=some).update(erased_at=now, closed_at=now, title="")
    if hidden and audited:
        audit.record(
            "person.erased",
            actor=None,
            by=audit.APP,
            number=person.number,
            person=person.open_id,
        )
    return hidden


def _lock(person: Person) -> None:
    """Against whoever asks for the person, and against another erasure; not against the feed,
    which refers to the person while it holds what we wait for (PostgreSQL's NO KEY).
    """
    Person.objects.select_for_update(no_key=True).get(pk=person.pk)


def _empty_all(person: Person) -> Erased:
    conversations, messages = 0, 0
    waiting = person.conversations.to_empty().order_by("pk").values_list("pk", flat=True)
    while some := list(waiting[:CONVERSATIONS_AT_ONCE]):
        unsettled = Message.objects.unsettled().filter(conversation__in=some)
        for message in unsettled.order_by("-position"):  # nobody moves up in line meanwhile
            settlement.cancel(message, keeps_text=False)
        while emptied := _empty_some(person, some):
            messages += emptied
        left = Conversation.objects.to_empty().filter(pk__in=some)
        conversations += left.update(emptied_at=timezone.now())
    return Erased(conversations, messages)


def _empty_some(person: Person, conversations: list[str]) -> int:
    """Take the words out of one batch of messages, and of whatever quotes or repeats them."""
    with transaction.atomic():
        _lock(person)
        full = Message.objects.filter(conversation__in=conversations, erased_at=None)
        some = list(full.values_list("pk", flat=True)[:MESSAGES_AT_ONCE])
        emptied = Message.objects.filter(pk__in=some).update(
            question="", answer=None, comment="", erased_at=timezone.now()
        )
        FeedEntry.objects.filter(message__in=some).exclude(comment="").update(comment="")
        IdempotencyKey.objects.filter(message__in=some).delete()
        Prompt.objects.filter(message__in=some).delete()
        blocked.forget(some)
    journal.forget(some)
    return emptied
