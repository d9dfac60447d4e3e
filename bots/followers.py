"""Following a number, and the list of those who do.

The list is read by `seq`, which is given in commit order under the number's lock: a follow that
comes while somebody pages stands behind what was read, and is met once. Who unfollows is gone from
it; who follows again stands at its end.
"""

from dataclasses import dataclass

from django.db import transaction

from bots import people
from bots.models import Audience, Follower, Person
from portal.models import ServiceNumber, User


class NotApproved(Exception):
    """The number is not approved (any more): nobody begins to follow it, and it sends nothing."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state


def audience_of(number: ServiceNumber) -> Audience:
    """The number's audience, locked: call it first in a transaction. Raises NotApproved."""
    audience = Audience.objects.locked(number.pk)
    if not audience.number.answers_people:
        raise NotApproved(audience.number.get_state_display())
    return audience


def follow(number: ServiceNumber, user: User) -> Follower:
    """The signed-in user follows the number from now on, or goes on; raises NotApproved."""
    person = people.of_user(number, user)
    with transaction.atomic():
        audience = audience_of(number)
        following = Follower.objects.filter(person=person).first()
        if following:
            return following
        audience.followers += 1
        seq = audience.next_seq()
        audience.save()
        return Follower.objects.create(person=person, number=number, seq=seq)


@transaction.atomic
def unfollow(person: Person) -> bool:
    """False where the person did not follow. In every state of the number."""
    audience = Audience.objects.locked(person.number_id)
    ended, _by_kind = Follower.objects.filter(person=person).delete()
    if not ended:
        return False
    audience.followers -= 1
    audience.save()
    return True


def forget(person: Person) -> None:
    """The person is erased. Locks the number: call it before a row of the person's is locked."""
    unfollow(person)


def count(number: ServiceNumber) -> int:
    counted = Audience.objects.filter(number=number).values_list("followers", flat=True)
    return counted.first() or 0


@dataclass(frozen=True)
class Page:
    followers: list[Follower]
    next_cursor: int
    has_more: bool


def read(number: ServiceNumber, cursor: int, limit: int) -> Page:
    """Those after the cursor, in order of following: one index walk, whatever came before."""
    after = Follower.objects.filter(number=number, seq__gt=cursor)
    found = list(after.order_by("seq").select_related("person")[: limit + 1])
    followers = found[:limit]
    last = followers[-1].seq if followers else cursor
    return Page(followers, last, len(found) > limit)
