"""Rating an answer: the row and its entry in the feed, in one transaction."""

from django.db import transaction

from bots import feed
from bots.models import Message, Status
from portal import wakeups

COMMENT_LENGTH_AT_MOST = 500
RATEABLE = (Status.DONE, Status.CANCELLED)


class NotRateable(Exception):
    """There is no answer (yet, or any more) that could be rated."""


def is_rateable(message: Message) -> bool:
    return message.status in RATEABLE and bool(message.answer)


def rate(message: Message, rating: str, comment: str = "") -> bool:
    """Set "like", "dislike" or "" (taken back); False, and nothing written, where it is set so.

    A comment says why it was rated so: without a rating there is none.

    The row is locked by writing to it, then the entry is numbered: the order of settlement, so
    the two never wait for each other. Raises NotRateable.
    """
    if not is_rateable(message):
        raise NotRateable
    comment = comment if rating else ""
    with transaction.atomic():
        kept = Message.objects.filter(pk=message.pk, erased_at=None)
        others = kept.exclude(rating=rating, comment=comment)
        if not others.update(rating=rating, comment=comment):
            if not kept.exists():
                raise NotRateable
            return False
        feed.append_rating(message, rating, comment)
        transaction.on_commit(lambda: wakeups.publish(wakeups.number_channel(message.number_id)))
    message.rating, message.comment = rating, comment
    return True
