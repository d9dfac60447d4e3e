"""What the safety filter has blocked, on the record for the number's owner and for moderators."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from bots.models import BlockedAnswer, Message, Place, Source
from portal.models import ServiceNumber

TEXT_AT_MOST = 2_000
WORDS_AT_MOST = 200
NEWEST = 10
COUNTED_DAYS = 30

SENTENCES: dict[tuple[str, str], str | Promise] = {
    (Place.QUESTION, Source.OPERATOR): gettext_lazy(
        "Blocked: word “%(words)s” in the question (the platform's list)."
    ),
    (Place.ANSWER, Source.OPERATOR): gettext_lazy(
        "Blocked: word “%(words)s” in the answer (the platform's list)."
    ),
    (Place.QUESTION, Source.NUMBER): gettext_lazy(
        "Blocked: word “%(words)s” in the question (the service number's list)."
    ),
    (Place.ANSWER, Source.NUMBER): gettext_lazy(
        "Blocked: word “%(words)s” in the answer (the service number's list)."
    ),
    (Place.QUESTION, Source.PROVIDER): gettext_lazy(
        "Blocked: the provider's moderation flagged the question (%(words)s)."
    ),
    (Place.ANSWER, Source.PROVIDER): gettext_lazy(
        "Blocked: the provider's moderation flagged the answer (%(words)s)."
    ),
}


@dataclass(frozen=True)
class Finding:
    """Where something was found, by whom, and what; `text` is what was answered up to there."""

    place: str
    source: str
    words: str
    text: str = ""


def record(found: Iterable[tuple[Message, Finding]], at: datetime) -> None:
    """Write down what these messages were settled for; call it inside that transaction."""
    BlockedAnswer.objects.bulk_create(
        BlockedAnswer(
            message=message,
            number_id=message.number_id,
            at=at,
            place=finding.place,
            source=finding.source,
            words=finding.words[:WORDS_AT_MOST],
            text=finding.text[-TEXT_AT_MOST:],  # what was found stands at its end
        )
        for message, finding in found
    )


def forget(message_ids: Iterable[str]) -> None:
    BlockedAnswer.objects.filter(message__in=message_ids).delete()


def sentence(found: BlockedAnswer) -> str:
    """What was found and by whom; never for the person who asked."""
    return str(SENTENCES[found.place, found.source]) % {"words": found.words}


@dataclass(frozen=True)
class Digest:
    """The newest of a number, and how many there were in COUNTED_DAYS, by place."""

    newest: list[BlockedAnswer]
    questions: int
    answers: int


def digest(number: ServiceNumber) -> Digest:
    rows = BlockedAnswer.objects.filter(number=number)
    lately = rows.filter(at__gte=timezone.now() - timedelta(days=COUNTED_DAYS))
    counted = dict(lately.values_list("place").annotate(Count("pk")).order_by())
    newest = rows.select_related("message").order_by("-at")[:NEWEST]
    return Digest(list(newest), counted.get(Place.QUESTION, 0), counted.get(Place.ANSWER, 0))
