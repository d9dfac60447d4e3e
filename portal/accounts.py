"""Who may sign in: the first administrator, and the end of somebody's sessions.

The first administrator's link works until there is one. No default password anywhere.
"""

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import get_language

from portal import audit
from portal.models import User

_SALT = "portal.first-administrator"
LINK_SECONDS = 7 * 24 * 3600


class LinkUsedUp(Exception):
    """The link is forged, too old, or there is an administrator already."""


def first_administrator_link() -> str | None:
    """The one-time link, or None once there is an administrator."""
    if User.objects.administrators().exists():
        return None
    token = signing.dumps("first", salt=_SALT)
    return settings.SITE_URL + reverse("first-administrator", args=[token])


def check_link(token: str) -> None:
    """Raise LinkUsedUp unless the link is ours, fresh, and still needed."""
    try:
        signing.loads(token, salt=_SALT, max_age=LINK_SECONDS)
    except signing.BadSignature as error:
        raise LinkUsedUp from error
    if User.objects.administrators().exists():
        raise LinkUsedUp


def become_first_administrator(token: str, email: str, password: str) -> User:
    """Make the administrator; of two who follow the link at once, one wins."""
    with transaction.atomic():
        # A row that is always there, even where there is no account yet to be locked.
        ContentType.objects.select_for_update().get(app_label="portal", model="user")
        check_link(token)
        language = get_language() or ""
        user = User.objects.create_superuser(email, password, is_moderator=True, language=language)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        audit.record("account.first_administrator", actor=user)
    return user


def end_sessions(user: User) -> None:
    """End every session of this person, for whoever is switched off or loses a right.

    Every way to sign in leaves a row in allauth's list. It is no more than tidiness all the same:
    whether somebody is active, and his roles, are read anew for each request.
    """
    listed = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=listed.values("session_key")).delete()
    listed.delete()
