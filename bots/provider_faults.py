"""What went wrong at a provider, in our codes, and in words that hold no key.

The codes are those of the open interface (71002 to 71009). Everything an upstream says is foreign
text: it is cut, flattened to one line and scrubbed of the key before it goes anywhere.
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai
from django.utils.translation import gettext_noop

from bots.outbound import NameUnknown, OutboundRefused, ResponseCompressed, ResponseTooLarge

EVIDENCE_AT_MOST = 300
FOREIGN_TEXT_AT_MOST = 2000
RETRY_AFTER_AT_MOST = 3600.0
PIECE = 8  # a word that shares this many characters with the key is struck out

OUT_OF_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
TOO_FAST = frozenset({"rate_limit_exceeded", "rate_limit_error"})
QUOTA_FAULT: tuple[int, str | None] = (71004, "out_of_quota")
LIMIT_FAULT: tuple[int, str | None] = (71005, "rate_limited")
ACCESS_FAULT: tuple[int, str | None] = (71003, "no_access")
BY_STATUS: dict[int, tuple[int, str | None]] = {
    401: (71002, "invalid"),
    402: QUOTA_FAULT,
    403: ACCESS_FAULT,
    404: ACCESS_FAULT,
    408: (71007, "trouble"),
    429: LIMIT_FAULT,
}
# Evidence is kept in English, and shown by bots.evidence.
NOT_CALLED = gettext_noop("not called")
NO_CONNECTION = gettext_noop("no connection")
BROKE_OFF = gettext_noop("the provider broke off with an error")
UNREADABLE = gettext_noop("unreadable answer")
NO_FINISH = gettext_noop("the answer ended without a finish")
NO_ANSWER = gettext_noop("HTTP 200 without an answer in it")
STEPS: list[tuple[type[BaseException], str]] = [
    (NameUnknown, gettext_noop("the host name does not resolve")),
    (ssl.SSLCertVerificationError, gettext_noop("the TLS certificate was refused")),
    (ssl.SSLError, gettext_noop("the TLS handshake failed")),
    (ConnectionRefusedError, gettext_noop("refused")),
    (httpx2.InvalidURL, gettext_noop("the base URL is not valid")),
    (httpx2.RemoteProtocolError, gettext_noop("closed before an answer began")),
    (httpx2.ReadError, gettext_noop("closed before an answer began")),
]
# Some providers answer 400 where others answer 404.
UNKNOWN_MODEL = re.compile(r"(?is)model_not_found|model\b.{0,80}\b(?:not exist|not found)")
LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class ProviderFault(Exception):
    """The call failed. `code` is the open interface's; `key_status` what this says of the key.

    `retry_after` is in seconds. `evidence` is for the robot's owner: the HTTP status, the
    provider's request id and a class of trouble, never the key. `was_answering`: it broke off.
    """

    def __init__(
        self, code: int, key_status: str | None, evidence: str, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{code}: {evidence}")
        self.code = code
        self.key_status = key_status
        self.evidence = evidence
        self.retry_after = retry_after
        self.was_answering = False


class UnreadableReplyError(ValueError):
    """The provider's words are none of the protocol's."""


class AnswerTooLongError(Exception):
    """The answer is longer than an answer may be."""


TROUBLE = (
    ProviderFault,
    AnswerTooLongError,
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    OSError,  # TimeoutError and the TLS layer's own among them
    ValueError,  # JSON and UTF-8 that are none
    RecursionError,  # JSON of absurd depth
)


# Foreign text ---------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Without what a database or an encoder refuses: NUL dropped, lone surrogates replaced."""
    return LONE_SURROGATES.sub("\ufffd", text.replace("\0", ""))


def is_possible_key(api_key: str) -> bool:
    """A header can carry it. Libraries quote the header's value when they complain of it."""
    return bool(api_key) and api_key.isascii() and api_key.isprintable() and " " not in api_key


def scrub(text: str, api_key: str) -> str:
    """One line of plain characters, where words that hold a piece of the key are struck out."""
    key = api_key.casefold()
    pieces = {key[at : at + PIECE] for at in range(max(1, len(key) - PIECE + 1))} - {""}
    printable = "".join(sign if sign.isprintable() else " " for sign in clean(text))
    words = printable[:FOREIGN_TEXT_AT_MOST].split()
    return " ".join(
        "…" if any(piece in word.casefold() for piece in pieces) else word for word in words
    )


def said(error: openai.APIError) -> str:
    """The provider's own words, as it sent them."""
    body: Any = error.body
    message = body.get("message") if isinstance(body, dict) else body
    return str(message or "")[:FOREIGN_TEXT_AT_MOST]


# Faults ---------------------------------------------------------------------------------------


def fault_of(
    trouble: BaseException, api_key: str, *, answering: bool, spoke: bool = False
) -> ProviderFault:
    """The fault that the trouble amounts to.

    `answering` once the provider began to answer, `spoke` once there was text: whoever has spoken
    the protocol and then not is in trouble, not another kind of server.
    """
    if isinstance(trouble, ProviderFault):
        return trouble
    fault = _guard_fault(trouble) or _status_fault(trouble) or _network_fault(trouble, answering)
    if spoke and fault.key_status == "incompatible":
        fault.key_status = "trouble"
    evidence = scrub(fault.evidence, api_key)[:EVIDENCE_AT_MOST]
    return ProviderFault(fault.code, fault.key_status, evidence, fault.retry_after)


def _causes(trouble: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = trouble
    for _depth in range(20):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def _guard_fault(trouble: BaseException) -> ProviderFault | None:
    for cause in _causes(trouble):
        if isinstance(cause, OutboundRefused):
            return ProviderFault(71006, "unreachable", f"{NOT_CALLED}: {cause}")
        if isinstance(cause, ResponseTooLarge | AnswerTooLongError):
            return ProviderFault(71009, None, str(cause))
        if isinstance(cause, ResponseCompressed):
            return ProviderFault(71008, "incompatible", str(cause))
    return None


def _status_fault(trouble: BaseException) -> ProviderFault | None:
    if not isinstance(trouble, openai.APIStatusError):
        return None
    status, words, names = trouble.status_code, said(trouble), _names(trouble)
    code, key_status = BY_STATUS.get(status, (71006, None))
    if status == 429:
        code, key_status = _limit_of(names) or LIMIT_FAULT
    elif status >= 500:
        key_status = "trouble"
    elif status < 400:
        key_status = "incompatible"  # sent elsewhere: no API does that
    elif status in (400, 422) and UNKNOWN_MODEL.search(f"{trouble.code} {words}"):
        code, key_status = ACCESS_FAULT
    request = f" (request {trouble.request_id[:80]})" if trouble.request_id else ""
    evidence = f"HTTP {status} {' '.join(names)[:80]}{request}: {words}"
    return ProviderFault(code, key_status, evidence, retry_after(trouble.response.headers))


def _names(error: openai.APIError) -> list[str]:
    """The words by which the provider names the trouble."""
    return list(dict.fromkeys(name for name in (error.code, error.type) if isinstance(name, str)))


def _limit_of(names: list[str]) -> tuple[int, str | None] | None:
    """Which limit these words name: a spent quota stays spent, a rate is one of the moment."""
    if not OUT_OF_QUOTA.isdisjoint(names):
        return QUOTA_FAULT
    return None if TOO_FAST.isdisjoint(names) else LIMIT_FAULT


def _network_fault(trouble: BaseException, answering: bool) -> ProviderFault:
    timeouts = (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)
    if isinstance(trouble, timeouts):
        key_status = "trouble" if answering else "unreachable"
        return ProviderFault(71007, key_status, gettext_noop("timed out"))
    if isinstance(trouble, UnreadableReplyError):
        return ProviderFault(71008, "incompatible", str(trouble))
    if isinstance(trouble, ValueError | RecursionError):
        return ProviderFault(71008, "incompatible", f"{UNREADABLE}: {type(trouble).__name__}")
    if isinstance(trouble, openai.APIError) and not isinstance(trouble, openai.APIConnectionError):
        code, of_key = _limit_of(_names(trouble)) or (71006, "trouble")
        return ProviderFault(code, of_key, f"{BROKE_OFF}: {said(trouble)}")
    if answering:
        return ProviderFault(71008, "trouble", gettext_noop("the answer was cut off"))
    return ProviderFault(71006, "unreachable", _connection_evidence(trouble))


def _connection_evidence(trouble: BaseException) -> str:
    """Which step failed; not the system's own words, which name resolved addresses."""
    for cause in _causes(trouble):
        for kind, words in STEPS:
            if isinstance(cause, kind):
                return f"{NO_CONNECTION}: {words}"
    return NO_CONNECTION


def retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds to wait, from 0 to 3600: `Retry-After` as a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        wait = _seconds_until(value)
    return min(wait, RETRY_AFTER_AT_MOST) if wait >= 0 else None


def _seconds_until(date: str) -> float:
    """0 for a date that has passed; NaN for none at all, which no comparison lets through."""
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return float("nan")
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
