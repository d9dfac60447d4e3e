"""News: what a number says unasked, to one person or to all who follow it, and who has read it.

A message is one row and one transaction, whomever it is for. A person reads what was sent to them,
and what was sent to all while they followed: two walks of an index, each a page long at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bots import followers, quotas
from bots.chat import IDEMPOTENCY_KEPT, IdempotencyConflict, UnknownPerson
from bots.models import Audience, Follower, News, Person
from bots.models.audience import NewsQuerySet
from bots.quotas import Whose
from portal.models import ServiceNumber

PAGE = 20
UNREAD_COUNTED_AT_MOST = 100


# Sending ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """What a number wants to say; without an openID it goes to all who follow."""

    number: ServiceNumber
    text: str
    open_id: str | None = None
    idempotency_key: str = ""

    def is_same_as(self, sent: News) -> bool:
        """Whether a repeated key repeats the request: the receiver and the text."""
        receiver = sent.person.open_id if sent.person else None
        return (receiver, sent.text) == (self.open_id, self.text)


def send(notice: Notice) -> News:
    """Send it, or return what the same idempotency key sent before, which takes no quota.

    Raises followers.NotApproved, chat.UnknownPerson, chat.IdempotencyConflict, quotas.QuotaUsedUp;
    then nothing was written or taken.
    """
    earlier = _replayed(notice)
    if earlier:
        return earlier
    with quotas.reserved([_limit(notice)]) as reservation:
        sent, reservation.kept = _write(notice)
    return sent


def _limit(notice: Notice) -> quotas.Limit:
    number = f"{notice.number.pk}"
    if notice.open_id is None:
        return quotas.Limit(Whose.NEWS, number, settings.NEWS_PER_NUMBER_AND_DAY)
    return quotas.Limit(Whose.MESSAGES, number, settings.MESSAGES_PER_NUMBER_AND_DAY)


def _replayed(notice: Notice) -> News | None:
    if not notice.idempotency_key:
        return None
    kept = News.objects.filter(
        number=notice.number,
        idempotency_key=notice.idempotency_key,
        at__gt=timezone.now() - IDEMPOTENCY_KEPT,
    )
    found = kept.select_related("person").first()
    if found and not notice.is_same_as(found):
        raise IdempotencyConflict
    return found


@transaction.atomic
def _write(notice: Notice) -> tuple[News, bool]:
    """The message, and whether it is new: a twin may have come first, under the same lock."""
    audience = followers.audience_of(notice.number)
    earlier = _replayed(notice)
    if earlier:
        return earlier, False
    person = None if notice.open_id is None else _known(notice.number, notice.open_id)
    if notice.idempotency_key:
        stale = {"number": notice.number, "idempotency_key": notice.idempotency_key}
        News.objects.filter(**stale).update(idempotency_key=None)
    seq = audience.next_seq()
    audience.save()
    sent = News.objects.create(
        number=notice.number,
        person=person,
        seq=seq,
        text=notice.text,
        accepted=1 if person else audience.followers,
        idempotency_key=notice.idempotency_key or None,
    )
    return sent, True


def _known(number: ServiceNumber, open_id: str) -> Person:
    person = Person.objects.filter(number=number, open_id=open_id).first()
    if person is None:
        raise UnknownPerson
    return person


# Reading ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unread:
    """How many the person has not seen, counted up to a cap, and the newest of them."""

    count: int = 0
    newest: News | None = None

    @property
    def words(self) -> str:
        most = UNREAD_COUNTED_AT_MOST - 1
        return f"{self.count}" if self.count <= most else f"{most}+"


@dataclass(frozen=True)
class Page:
    """Some of a person's news, the oldest first; `earlier` is the `seq` to look before."""

    news: list[News]
    earlier: int | None


@dataclass(frozen=True)
class Inbox:
    """A number's news for one person: sent to them, or to all since they follow."""

    person: Person

    @cached_property
    def followed_from(self) -> int | None:
        """The `seq` of following; None for who does not follow."""
        following = Follower.objects.filter(person=self.person)
        return following.values_list("seq", flat=True).first()

    @property
    def is_in_use(self) -> bool:
        """Whether the number has, or had, something to say to the person."""
        return self.followed_from is not None or self.person.news.exists()

    def _sources(self) -> Iterator[NewsQuerySet]:
        """What they may read, as two queries with an index each: together they would have none."""
        yield News.objects.filter(person=self.person)
        if self.followed_from is not None:
            yield News.objects.to_all(self.person.number_id).filter(seq__gt=self.followed_from)

    def page(self, before: int | None = None) -> Page:
        """The newest, or those before a `seq`."""
        found: list[News] = []
        for source in self._sources():
            older = source if before is None else source.filter(seq__lt=before)
            found += older.order_by("-seq")[: PAGE + 1]
        found.sort(key=lambda each: -each.seq)
        shown = found[:PAGE]
        earlier = shown[-1].seq if len(found) > PAGE else None
        return Page(shown[::-1], earlier)

    def unread(self) -> Unread:
        seqs: list[int] = []
        for source in self._sources():
            new = source.filter(seq__gt=self.person.news_seen).order_by("-seq")
            seqs += new.values_list("seq", flat=True)[:UNREAD_COUNTED_AT_MOST]
        if not seqs:
            return Unread()
        newest = News.objects.filter(number=self.person.number_id, seq=max(seqs)).first()
        return Unread(min(len(seqs), UNREAD_COUNTED_AT_MOST), newest)


def see(person: Person, seq: int) -> None:
    """The person has seen what there was up to this `seq`; what was never given out counts not."""
    given = Audience.objects.filter(number=person.number_id, last_seq__gte=seq)
    if given.exists():
        Person.objects.filter(pk=person.pk, news_seen__lt=seq).update(news_seen=seq)


def forget(person: Person) -> None:
    """The person is erased: so is what was sent to them. What went to all stays for the others."""
    News.objects.filter(person=person).delete()
