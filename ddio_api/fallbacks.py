"""Answers to requests that fail before or beyond every view: JSON for machines, pages for people.

Under the open interface's paths even a forged Host or a failing middleware gets the envelope.
"""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views import defaults

from ddio_api.errors import TABLE
from portal.request_ids import MACHINE_PATHS, request_id_of


def _is_machine(request: HttpRequest) -> bool:
    return request.path.startswith(MACHINE_PATHS)


def _envelope(
    request: HttpRequest, code: int, status: int, message: str | None = None
) -> JsonResponse:
    sentence = message or str(TABLE[code].message)
    body = {"code": code, "msg": sentence, "request_id": request_id_of(request)}
    return JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        stranger = _("This Host is none of the server's. Its operator names them in ALLOWED_HOSTS.")
        message = stranger if isinstance(exception, DisallowedHost) else None
        return _envelope(request, 47001, 400, message)
    return defaults.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, 48001, 403)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, 40404, 404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if _is_machine(request):
        return _envelope(request, -1, 500)
    return defaults.server_error(request)
