"""Who talks on the web: signed-in people, and guests by a cookie.

A person has a name of the platform's (`o_…`) with each number, so that two numbers cannot compare
notes: a random one for who is signed in, for a guest one made from the number and the cookie.
"""

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from bots.chat import PLATFORM_PREFIX
from bots.models import Person
from portal.models import ServiceNumber, User

COOKIE = "guest"
COOKIE_SECONDS = 30 * 24 * 3600
SEED_SECONDS = 24 * 3600
_GUEST_PREFIX = f"{PLATFORM_PREFIX}g"
_seeds = signing.TimestampSigner(salt="bots.people.seed")


def known(number: ServiceNumber, user: User | None, guest: str) -> Person | None:
    """Who has asked this number before; looking makes nobody."""
    people = Person.objects.filter(number=number)
    if user:
        return people.filter(user=user).first()
    return people.filter(open_id=guest_open_id(number, guest)).first() if guest else None


def of_user(number: ServiceNumber, user: User) -> Person:
    """The signed-in user's one person with this number, made where it is missing."""
    newcomer = Person(number=number, user=user, open_id=PLATFORM_PREFIX + secrets.token_hex(14))
    if not Person.objects.filter(number=number, user=user).exists():
        Person.objects.bulk_create([newcomer], ignore_conflicts=True)  # a twin may be first
    return Person.objects.get(number=number, user=user)


def guest_open_id(number: ServiceNumber, guest: str) -> str:
    mac = salted_hmac("bots.people.guest", f"{number.pk}:{guest}", algorithm="sha256")
    return _GUEST_PREFIX + mac.hexdigest()[:40]


def guest_of(request: HttpRequest) -> str:
    """The guest's secret id in the cookie; "" where there is no sound one."""
    found = request.get_signed_cookie(COOKIE, "", salt=COOKIE, max_age=COOKIE_SECONDS)
    return found or ""


def new_seed() -> str:
    """A guest's id to be, signed, for a page: only asking makes a guest of who looks at it.

    A first question that is sent twice, because its answer with the cookie got lost, comes from
    the same guest both times.
    """
    return _seeds.sign(secrets.token_hex(16))


def guest_from(seed: str) -> str:
    """The id in the seed; a new one where it is not ours or too old."""
    try:
        return _seeds.unsign(seed, max_age=SEED_SECONDS)
    except signing.BadSignature:
        return secrets.token_hex(16)


def remember(response: HttpResponse, guest: str) -> None:
    response.set_signed_cookie(
        COOKIE,
        guest,
        salt=COOKIE,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
