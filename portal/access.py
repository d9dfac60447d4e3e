"""The only doors to a service number that somebody may manage.

A foreign number and one that does not exist answer alike (security.md, line 20).
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from portal.models import ServiceNumber, User

Rest = ParamSpec("Rest")
_APP_ID = re.compile("[A-Za-z0-9]{1,18}")


def user_of(request: HttpRequest) -> User:
    """Who is signed in, behind `login_required`."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def number_of(owner: User, app_id: str) -> ServiceNumber:
    """The owner's number; Http404 for anybody else's.

    What is no appId at all is not looked up: PostgreSQL refuses a NUL with an error of its own.
    """
    found = owner.numbers.filter(app_id=app_id).first() if _APP_ID.fullmatch(app_id) else None
    if found is None:
        raise Http404
    return found


def owner_only(
    view: Callable[Concatenate[HttpRequest, ServiceNumber, Rest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """The view gets the number that its `app_id` names, if it is the signed-in person's own."""

    @login_required
    @functools.wraps(view)
    def guarded(request: HttpRequest, app_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, number_of(user_of(request), app_id), *args, **kwargs)

    return guarded


def may_moderate(user: Any) -> bool:
    return isinstance(user, User) and (user.is_moderator or user.is_superuser)


def moderator_only(
    view: Callable[Concatenate[HttpRequest, Rest], HttpResponse],
) -> Callable[..., HttpResponse]:
    @login_required
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_moderate(request.user):
            raise PermissionDenied(_("The review desk is for moderators."))
        return view(request, *args, **kwargs)

    return guarded
