"""The shape of an error: each family of clients finds it in the words of its own protocol.

The path decides: DDIO's envelope, OAuth's error (RFC 6749, section 5.2), WeChat's errcode under
HTTP 200, OpenAI's error object. The row of the table is the same everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rest_framework.response import Response

from ddio_api.call_facts import facts_of
from ddio_api.errors import DdioError, translate
from ddio_api.openai_door.errors import SHOULD_RETRY, object_of, row_of
from portal.request_ids import OPENAI_PATH, request_id_of


@dataclass
class Shaped:
    """An error as it leaves."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


Shape = Callable[[DdioError, str], Shaped]


def envelope(known: DdioError, request_id: str) -> Shaped:
    body: dict[str, Any] = {"code": known.code, "msg": str(known.message)}
    if known.fields:
        body["fields"] = known.fields
    return Shaped(known.status_code, body | {"request_id": request_id}, dict(known.headers))


_OAUTH_ERRORS = {
    -1: "server_error",
    40002: "unsupported_grant_type",
    40125: "invalid_client",
    40164: "unauthorized_client",
    41002: "invalid_client",
    41004: "invalid_client",
    40243: "unauthorized_client",
    45011: "temporarily_unavailable",
    50002: "unauthorized_client",
}
_OAUTH_STATUSES_OF_OUR_OWN = (401, 404, 405, 413, 429, 500, 503)  # all others are 400 in OAuth
_DESCRIBABLE = str.maketrans({"“": "'", "”": "'", "’": "'", "…": "...", '"': "'", "\\": "/"})


def _description(known: DdioError) -> str:
    """Of the characters that RFC 6749 allows there; the view has seen to it that it is English."""
    said = str(known.message).translate(_DESCRIBABLE)
    return said.encode("ascii", "replace").decode()


def oauth(known: DdioError, request_id: str) -> Shaped:
    body = {
        "error": _OAUTH_ERRORS.get(known.code, "invalid_request"),
        "error_description": _description(known),
        "code": known.code,
        "errcode": known.code,
        "request_id": request_id,
    }
    status = known.status_code if known.status_code in _OAUTH_STATUSES_OF_OUR_OWN else 400
    if body["error"] == "invalid_client":
        status = 401
    return Shaped(status, body, dict(known.headers))


def wechat(known: DdioError, request_id: str) -> Shaped:
    """HTTP 200 whatever happened: its clients read errcode alone."""
    shaped = envelope(known, request_id)
    words = {"errcode": known.code, "errmsg": str(known.message)}
    return Shaped(200, words | shaped.body, shaped.headers)


def openai(known: DdioError, request_id: str) -> Shaped:
    """The request's id is in the header alone, as it is there."""
    row = row_of(known)
    headers = dict(known.headers)
    if row.is_final:
        headers.setdefault(SHOULD_RETRY, "false")
    return Shaped(row.status, {"error": object_of(known)}, headers)


BY_PATH: dict[str, Shape] = {"/oauth2/": oauth, "/cgi-bin/": wechat, OPENAI_PATH: openai}


def shape_of(path: str) -> Shape:
    for prefix, shape in BY_PATH.items():
        if path.startswith(prefix):
            return shape
    return envelope


def answer_exception(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's exception handler: the row of the table, in the shape that the caller reads."""
    request, known = context["request"], translate(error)
    facts_of(request).code = known.code
    shaped = shape_of(request.path)(known, request_id_of(request))
    response = Response(shaped.body, status=shaped.status, headers=shaped.headers)
    if shaped.status == 401 and not getattr(context["view"], "takes_secrets", False):
        response["WWW-Authenticate"] = "Bearer"
    return response
