"""The error table of the open interface, and the one place that turns an exception into its row.

Numbers follow WeChat's, because the developers who integrate this know them by heart.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions

logger = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5


@dataclass(frozen=True)
class Row:
    status: int
    message: str | Promise


TABLE = {
    -1: Row(500, gettext_lazy("Something went wrong here. Report it with the request_id.")),
    40001: Row(401, gettext_lazy("The accessToken is invalid or revoked. Take a new one.")),
    40002: Row(400, gettext_lazy("This accessType is not supported. Use CLIENT or leave it out.")),
    40003: Row(404, gettext_lazy("There is no such openID. Names with o_ are the platform's own.")),
    40013: Row(400, gettext_lazy("The appId is malformed. Copy it from the credentials page.")),
    40164: Row(403, gettext_lazy("Your address is not on the service number's list.")),
    40125: Row(401, gettext_lazy("The appId or the appSecret is wrong.")),
    40243: Row(403, gettext_lazy("The appSecret is frozen. Its owner can thaw it.")),
    40404: Row(404, gettext_lazy("There is no such message, conversation or path.")),
    40900: Row(409, gettext_lazy("The Idempotency-Key was used for a different request.")),
    41001: Row(401, gettext_lazy("The accessToken is missing. Send Authorization: Bearer …")),
    41002: Row(400, gettext_lazy("The appID is missing.")),
    41004: Row(400, gettext_lazy("The appSecret is missing.")),
    42001: Row(401, gettext_lazy("The accessToken has expired. Take a new one.")),
    43002: Row(405, gettext_lazy("Wrong method. The Allow header names the right ones.")),
    44004: Row(400, gettext_lazy("The message is empty.")),
    45002: Row(413, gettext_lazy("Too long: 16,000 characters a message, 1 MiB a body at most.")),
    45009: Row(429, gettext_lazy("Today's quota is used up. It is renewed at midnight UTC.")),
    45011: Row(429, gettext_lazy("Too fast, or too many questions pending. Wait a moment.")),
    47001: Row(400, gettext_lazy("The request is not valid. `fields` says what to mend.")),
    48001: Row(403, gettext_lazy("The service number's state does not allow this.")),
    50002: Row(403, gettext_lazy("The service number is suspended or closed.")),
}


class DdioError(exceptions.APIException):
    """An error of the table; `message` says more where the table's sentence is too general."""

    def __init__(
        self,
        code: int,
        message: str | Promise | None = None,
        *,
        fields: Mapping[str, Any] | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.status_code = status or TABLE[code].status
        self.message = message or TABLE[code].message
        self.fields = fields
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
        super().__init__(detail=str(self.message))


def not_in_this_state(state: str) -> DdioError:
    """48001, naming the state as the caller reads it."""
    sentence = _("The service number is “%(state)s”; it answers people once it is approved.")
    return DdioError(48001, sentence % {"state": state})


def only_trials_in_this_state(state: str) -> DdioError:
    """48001, naming the state and the way that is open meanwhile."""
    sentence = _(
        "The service number is “%(state)s”; until it is approved it answers only its owner's"
        " trials: ask with openID “sandbox”."
    )
    return DdioError(48001, sentence % {"state": state})


def _busy(error: Exception) -> DdioError:
    message = _("The service is busy right now. Nothing is lost: send the request again.")
    logger.warning("database_away", error=repr(error))
    return DdioError(-1, message, status=503, retry_after=RETRY_AFTER_SECONDS)


def _invalid(error: exceptions.ValidationError) -> DdioError:
    detail = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
    return DdioError(47001, fields=detail)


def translate(error: Exception) -> DdioError:
    """The row of the table for whatever was raised; an unexpected failure is -1 and is logged."""
    if isinstance(error, DdioError):
        return error
    if isinstance(error, exceptions.ValidationError):
        return _invalid(error)
    if isinstance(error, RequestDataTooBig):
        return DdioError(45002)
    if isinstance(error, (OperationalError, InterfaceError)):
        return _busy(error)
    by_kind: dict[type[Exception], int] = {
        exceptions.NotAuthenticated: 41001,
        exceptions.AuthenticationFailed: 40001,
        exceptions.MethodNotAllowed: 43002,
        exceptions.NotFound: 40404,
        Http404: 40404,
        exceptions.ParseError: 47001,
        SuspiciousOperation: 47001,
    }
    for kind, code in by_kind.items():
        if isinstance(error, kind):
            return DdioError(code)
    logger.error("unexpected_failure", exc_info=error)
    return DdioError(-1)
