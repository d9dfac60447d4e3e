"""Rating an answer: the row and its entry in the feed, in one transaction."""

from django.db import transaction
from django.utils import timezone

from bots import feed
from bots.models import FeedEntry, Kind, Message, Status
from portal import wakeups

COMMENT_LENGTH_AT_MOST = 500
RATEABLE = (Status.DONE, Status.CANCELLED)


class NotRateable(Exception):
    """There is no answer (yet) that could be rated."""


def is_rateable(message: Message) -> bool:
    return message.status in RATEABLE and bool(message.answer)


def rate(message: Message, rating: str, comment: str = "") -> bool:
    """Set "like", "dislike" or "" (taken back); False, and nothing written, where it is set so.

    The row is locked by writing to it, then the entry is numbered: the order of settlement, so
    the two never wait for each other. Raises NotRateable.
    """
    if not is_rateable(message):
        raise NotRateable
    with transaction.atomic():
        others = Message.objects.filter(pk=message.pk).exclude(rating=rating, comment=comment)
        if not others.update(rating=rating, comment=comment):
            return False
        FeedEntry.objects.create(
            number_id=message.number_id,
            seq=feed.next_seq(message.number_id),
            kind=Kind.RATING,
            message=message,
            person_id=message.person_id,
            at=timezone.now(),
            rating=rating,
            comment=comment,
        )
        transaction.on_commit(lambda: wakeups.publish(wakeups.number_channel(message.number_id)))
    message.rating, message.comment = rating, comment
    return True
