"""Answers to requests that fail before or beyond every view: JSON for machines, pages for people.

Under the open interface's paths even a forged Host or a failing middleware gets the envelope.
"""

from django.core.exceptions import DisallowedHost, PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponsePermanentRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.template import loader
from django.urls import is_valid_path
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from ddio_api.call_facts import facts_of
from ddio_api.errors import DdioError
from ddio_api.shapes import shape_of
from portal.request_ids import MACHINE_PATHS, request_id_of


def _is_machine(request: HttpRequest) -> bool:
    return request.path.startswith(MACHINE_PATHS)


def _envelope(
    request: HttpRequest, code: int, status: int, message: str | None = None
) -> JsonResponse:
    error = DdioError(code, message, status=status)
    facts_of(request).code = code
    shaped = shape_of(request.path)(error, request_id_of(request))
    return JsonResponse(
        shaped.body,
        status=404 if code == 40404 else shaped.status,  # WeChat's 200 is for its doors
        headers=shaped.headers,
        content_type="application/json; charset=utf-8",
        json_dumps_params={"ensure_ascii": False},
    )


def _bare_page(request: HttpRequest, status: int) -> HttpResponse:
    """A page that needs nothing that may be broken: no database, no session, no user.

    The language is chosen here, because the failure may lie before the middleware that does it.
    """
    with translation.override(translation.get_language_from_request(request)):
        content = loader.render_to_string(f"{status}.html", {"request_id": request_id_of(request)})
    return HttpResponse(content, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        stranger = _("This Host is none of the server's. Its operator names them in ALLOWED_HOSTS.")
        message = stranger if isinstance(exception, DisallowedHost) else None
        return _envelope(request, 47001, 400, message)
    return _bare_page(request, 400)


def forbidden(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, 48001, 403)
    return render(request, "403.html", {"reason": str(exception)}, status=403)


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW; its reason is for developers, and in the log."""
    if _is_machine(request):
        return _envelope(request, 48001, 403)
    return render(request, "403_csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, 40404, 404)
    if _wants_a_slash(request):
        return HttpResponsePermanentRedirect(request.get_full_path(force_append_slash=True))
    return render(request, "404.html", status=404)


def _wants_a_slash(request: HttpRequest) -> bool:
    is_looking = request.method in ("GET", "HEAD") and not request.path_info.endswith("/")
    return is_looking and bool(is_valid_path(f"{request.path_info}/"))


def server_error(request: HttpRequest) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, -1, 500)
    return _bare_page(request, 500)
