"""The only doors to a service number that somebody may manage.

A foreign number and one that does not exist answer alike (security.md, line 20).
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from portal.models import ServiceNumber, User

Rest = ParamSpec("Rest")
_APP_ID = re.compile("[A-Za-z0-9]{1,18}")


def is_htmx(request: HttpRequest) -> bool:
    """A script of our pages asks: it wants a fragment, not a page."""
    return bool(getattr(request, "htmx", False))


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


def any_number(app_id: str) -> ServiceNumber:
    """Whosever it is: behind `moderator_only`. Http404 where there is none."""
    known = ServiceNumber.objects.select_related("owner")
    found = known.filter(app_id=app_id).first() if _APP_ID.fullmatch(app_id) else None
    if found is None:
        raise Http404
    return found


def _signed_in_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """To the login and back. A part of a page that is fetched again, after the session ended, takes
    the whole page there: the login would else be put where the part was.
    """
    to_login = login_required(view)

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated or not is_htmx(request):
            return to_login(request, *args, **kwargs)
        back = request.htmx.current_url_abs_path or reverse("console")  # type: ignore[attr-defined]
        login = redirect_to_login(back)["Location"]
        return HttpResponse(status=401, headers={"HX-Redirect": login})

    return guarded


def owner_only(
    view: Callable[Concatenate[HttpRequest, ServiceNumber, Rest], HttpResponse],
) -> Callable[..., HttpResponse]:
    """The view gets the number that its `app_id` names, if it is the signed-in person's own."""

    @_signed_in_only
    @functools.wraps(view)
    def guarded(request: HttpRequest, app_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, number_of(user_of(request), app_id), *args, **kwargs)

    return guarded


def may_moderate(user: Any) -> bool:
    return isinstance(user, User) and (user.is_moderator or user.is_superuser)


def moderator_only(
    view: Callable[Concatenate[HttpRequest, Rest], HttpResponse],
) -> Callable[..., HttpResponse]:
    @_signed_in_only
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_moderate(request.user):
            raise PermissionDenied(_("The review desk is for moderators."))
        return view(request, *args, **kwargs)

    return guarded
