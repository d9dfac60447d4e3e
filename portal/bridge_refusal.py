"""What the bridge says where Django does not: JSON for machines, a plain line for others.

No middleware sees these answers, so the language is chosen here.
"""

import json
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from portal.request_ids import HEADER, MACHINE_PATHS, OPENAI_PATH

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
        content = _content(status, path, request_id, accept_language)
    return headers, content


def _content(status: HTTPStatus, path: str, request_id: str, accept_language: str) -> bytes:
    code, sentence = _SENTENCES[status]
    asked = HttpRequest()
    asked.META["HTTP_ACCEPT_LANGUAGE"] = accept_language
    with translation.override(translation.get_language_from_request(asked)):
        said = str(sentence)
    body: dict[str, Any] = {"code": code, "msg": said, "request_id": request_id}
    if path.startswith(OPENAI_PATH):
        body = _openai_error(code, said)
    return json.dumps(body, ensure_ascii=False).encode()


def _openai_error(code: int, message: str) -> dict[str, Any]:
    """As `ddio_api.openai_door.errors` shapes it for those who get as far as that."""
    is_ours = code == -1
    kind = "server_error" if is_ours else "invalid_request_error"
    name = "robot_unavailable" if is_ours else None
    return {"error": {"message": message, "type": kind, "param": None, "code": name}}
