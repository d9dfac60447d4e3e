"""The error table of the OpenAI door: our codes, in the words that OpenAI's clients know."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from bots import faults
from ddio_api.errors import DdioError

INVALID = "invalid_request_error"
SERVER = "server_error"
QUOTA = "insufficient_quota"
RATE = "rate_limit_exceeded"
UNAVAILABLE = "robot_unavailable"
SHOULD_RETRY = "x-should-retry"  # official clients do as it says


@dataclass(frozen=True)
class Row:
    """`is_final`: OpenAI's clients repeat a request on 409, 429 and 5xx, here in vain.

    What failed at the provider was tried again already; who repeats it by himself pays twice.
    """

    status: int
    type: str
    code: str | None
    is_final: bool = False


REFUSED = Row(400, INVALID, None)
ROWS = {
    -1: Row(503, SERVER, UNAVAILABLE),
    40001: Row(401, INVALID, "invalid_api_key"),
    40003: REFUSED,
    40164: Row(403, INVALID, "permission_denied"),
    40404: Row(404, INVALID, "unknown_url"),
    40900: Row(409, INVALID, "idempotency_conflict", is_final=True),
    41001: Row(401, INVALID, "invalid_api_key"),
    42001: Row(401, INVALID, "invalid_api_key"),
    43002: Row(405, INVALID, "method_not_supported"),
    44004: REFUSED,
    45002: REFUSED,
    45009: Row(429, QUOTA, QUOTA, is_final=True),
    45011: Row(429, RATE, RATE),
    47001: REFUSED,
    48001: Row(403, INVALID, "permission_denied"),
    faults.WITHHELD: Row(403, INVALID, "permission_denied"),
    faults.NO_USABLE_KEY: Row(503, SERVER, UNAVAILABLE, is_final=True),
    faults.KEY_REFUSED: Row(503, SERVER, UNAVAILABLE, is_final=True),
    faults.NO_ACCESS: Row(503, SERVER, UNAVAILABLE, is_final=True),
    faults.OUT_OF_QUOTA: Row(503, SERVER, UNAVAILABLE, is_final=True),
    faults.RATE_LIMITED: Row(429, RATE, RATE),
    faults.PROVIDER_FAULT: Row(502, SERVER, None, is_final=True),
    faults.TIMED_OUT: Row(504, SERVER, None, is_final=True),
    faults.CUT_OFF: Row(502, SERVER, None, is_final=True),
    faults.TOO_LARGE: Row(502, SERVER, None, is_final=True),
    faults.ATTEMPTS_USED_UP: Row(502, SERVER, None, is_final=True),
    faults.BUDGET_USED_UP: Row(429, QUOTA, QUOTA, is_final=True),
    faults.BLOCKED: Row(400, INVALID, "content_filter"),
}
NO_SUCH_MODEL = Row(404, INVALID, "model_not_found")
_NOT_THEIRS = ("body", "non_field_errors")  # names of ours for what is wrong with no one field


def row_of(known: DdioError) -> Row:
    if known.code == 40404 and known.fields:
        return NO_SUCH_MODEL
    kind = SERVER if known.status_code >= 500 else INVALID
    return ROWS.get(known.code) or Row(known.status_code, kind, None)


def object_of(known: DdioError) -> dict[str, Any]:
    """OpenAI's error object; `param` is the field that is wrong: `messages[0].content`."""
    param, sentence = _first_wrong(known.fields or {})
    message = str(known.message)
    if known.code == 47001 and sentence:  # the table only says that some field is wrong
        message = f"{param}: {sentence}" if param else sentence
    row = row_of(known)
    return {"message": message, "type": row.type, "param": param or None, "code": row.code}


def _first_wrong(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The path of the first field that is wrong, and what is wrong with it."""
    if not fields:
        return "", ""
    name, found = next(iter(fields.items()))
    if isinstance(found, Mapping):
        path, sentence = _first_wrong(found)
    else:
        path, sentence = "", str(next(iter(found), ""))
    return ".".join(each for each in (name, path) if each and each not in _NOT_THEIRS), sentence


def failure(code: int, sentence: str = "") -> DdioError:
    """Why an answer failed, to be raised: the codes of failed answers are in no other table."""
    row = ROWS.get(code) or ROWS[faults.PROVIDER_FAULT]
    return DdioError(code, sentence or faults.sentence(code), status=row.status)


def no_such_model() -> DdioError:
    sentence = _("The robot has another model. The list of models names it.")
    return DdioError(40404, sentence, fields={"model": [sentence]})


def began_anew() -> DdioError:
    """Another attempt at the answer cannot take back what was sent of the first."""
    return failure(
        faults.CUT_OFF, _("The answer broke off after its beginning was sent. Ask again.")
    )


def interrupted() -> DdioError:
    sentence = _("The server is about to restart. Send the request again.")
    return DdioError(-1, sentence, status=503, retry_after=1)
