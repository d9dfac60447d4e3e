"""What the bridge says where Django does not: an envelope for machines, a plain line for others.

No middleware sees these answers, so the language is chosen here.
"""

import json
from http import HTTPStatus

from django.http import HttpRequest
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from portal.request_ids import HEADER, MACHINE_PATHS

# The code of the open interface and what to do, by status.
_SENTENCES: dict[HTTPStatus, tuple[int, str | Promise]] = {
    HTTPStatus.BAD_REQUEST: (47001, gettext_lazy("The request body is malformed or breaks off.")),
    HTTPStatus.REQUEST_TIMEOUT: (47001, gettext_lazy("The request body came too slowly.")),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        -1,
        gettext_lazy("Something went wrong here. Report it with the request_id."),
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        -1,
        gettext_lazy("The service is busy right now. Nothing is lost: send the request again."),
    ),
}


def refusal(
    status: HTTPStatus, path: str, request_id: str, accept_language: str
) -> tuple[dict[str, str], bytes]:
    """Headers and content of an answer of 400, 408, 500 or 503, without its length."""
    headers = {"Content-Type": "text/plain; charset=utf-8", HEADER: request_id}
    content = status.phrase.encode()
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    if path.startswith(MACHINE_PATHS):
        headers["Content-Type"] = "application/json"
        content = _envelope(status, request_id, accept_language)
    return headers, content


def _envelope(status: HTTPStatus, request_id: str, accept_language: str) -> bytes:
    code, sentence = _SENTENCES[status]
    asked = HttpRequest()
    asked.META["HTTP_ACCEPT_LANGUAGE"] = accept_language
    with translation.override(translation.get_language_from_request(asked)):
        body = {"code": code, "msg": str(sentence), "request_id": request_id}
    return json.dumps(body, ensure_ascii=False).encode()
