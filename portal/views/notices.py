"""What the platform tells a person in the console."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from portal import notices as telling
from portal.access import user_of

PAGE = 50
ID_AT_MOST = 2**63 - 1


@require_safe
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    own = user_of(request).notices.all()
    before = own.filter(pk=_id(request.GET.get("before", "")) or 0).first()
    found = own.older_than(before) if before else own
    rows = list(found.newest_first().select_related("number")[: PAGE + 1])
    page = rows[:PAGE]
    first_shown = _id(request.GET.get("newest", "")) if before else None
    content = {
        "notices": [telling.told(notice) for notice in page],
        "newest": first_shown or max((notice.pk for notice in page), default=None),
        "older": page[-1].pk if len(rows) > PAGE else None,
        "before": before,
    }
    return render(request, "portal/notices.html", content)


@require_POST
@login_required
def read(request: HttpRequest) -> HttpResponse:
    telling.mark_read(user_of(request), _id(request.POST.get("newest", "")))
    return redirect("notices")


def _id(given: str) -> int | None:
    """A notice's id; what is none counts as not given."""
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        return None
    return min(int(given), ID_AT_MOST)
