"""Read settings from the environment, and remember what was wrong instead of crashing.

A broken value must be answered by one clear line that names the variable, for all variables at
once and before anything starts. So a reader that fails keeps the default and files a `Problem`;
`portal.checks` turns the problems into system check errors.
"""

import os
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if os.environ.get("FUWUHAO_DOTENV", "1") == "1":
    environ.Env.read_env(BASE_DIR / ".env")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one variable, in a sentence that says how to mend it."""

    variable: str
    message: str


problems: list[Problem] = []


def read(
    reader: Callable[..., Any],
    variable: str,
    default: Any,
    *,
    at_least: float | None = None,
    hint: str = "",
) -> Any:
    """The variable's value through one of django-environ's readers; the default where it is bad."""
    if env.str(variable, default="") == "":
        return default
    try:
        value = reader(variable)
    except (ValueError, TypeError, ImproperlyConfigured) as error:
        return _refuse(variable, hint or str(error), default)
    if at_least is not None and value < at_least:
        return _refuse(variable, f"it must be at least {at_least}", default)
    return value


def _refuse(variable: str, reason: str, default: Any) -> Any:
    problems.append(Problem(variable, f"{variable} cannot be used: {reason}."))
    return default


def boolean(variable: str, default: bool) -> bool:
    """True or false, and nothing else: a typo must not silently switch a thing off."""
    words = {"1": True, "true": True, "on": True, "yes": True}
    words |= {"0": False, "false": False, "off": False, "no": False}
    raw = env.str(variable, default="").strip().lower()
    if raw and raw not in words:
        return bool(_refuse(variable, f"{raw!r} is neither 1 nor 0", default))
    return words.get(raw, default)


def integer(variable: str, default: int, at_least: int = 0) -> int:
    return int(read(env.int, variable, default, at_least=at_least, hint="it must be a number"))


def number(variable: str, default: float, at_least: float = 0) -> float:
    """With a fraction, where somebody wants one."""
    return float(read(env.float, variable, default, at_least=at_least, hint="it must be a number"))


def seconds(variable: str, default: float, at_least: float = 0) -> float:
    hint = "it must be a number of seconds"
    return float(read(env.float, variable, default, at_least=at_least, hint=hint))


def words(variable: str, default: list[str]) -> list[str]:
    return [word.strip() for word in read(env.list, variable, default) if word.strip()]


def choice(variable: str, default: str, allowed: Sequence[str]) -> str:
    value = env.str(variable, default="") or default
    if value not in allowed:
        return str(_refuse(variable, f"it must be one of {', '.join(allowed)}", default))
    return value


def url(variable: str, default: str, schemes: Sequence[str]) -> str:
    """An address with one of these schemes; its content is the library's business."""
    value = env.str(variable, default="") or default
    if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        return str(_refuse(variable, f"it must begin with {schemes[0]}://", default))
    return value


def time_zone(variable: str, default: str) -> str:
    value = env.str(variable, default="") or default
    if value not in zoneinfo.available_timezones():
        return str(
            _refuse(variable, "it must be a time zone's name, such as Asia/Shanghai", default)
        )
    return value


def mail_server(variable: str) -> dict[str, Any]:
    """Django's email settings; without a server, mails become files in DATA_DIR/mail."""
    files = {"EMAIL_BACKEND": "portal.mail.FileBackend"}
    hint = "it must look like smtp+tls://user:password@host:587"
    settings: dict[str, Any] = read(env.email_url, variable, files, hint=hint)
    return settings


def ports(variable: str, default: list[str]) -> list[int]:
    given = words(variable, default)
    if not all(word.isascii() and word.isdigit() and 0 < int(word) < 65536 for word in given):
        given = _refuse(variable, "it must be a list of port numbers", default)
    return [int(word) for word in given]
