"""The master keys that API keys are sealed with, newest first: from the environment or from a file.

The first one seals, all of them open. The file is read again once it has changed, so that a master
key comes without a restart: looked at once a second at most, and at once where something does not
open, because another process may have sealed it with a master key that came just now. What goes
from the file still opens in this process: should it be needed, that is found at the next start, and
not by people whose chats break.
"""

import base64
import hashlib
import stat
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import structlog
from cryptography.fernet import Fernet
from django.conf import settings

logger = structlog.get_logger(__name__)

VARIABLE = "API_KEY_ENCRYPTION_KEYS"
FILE_VARIABLE = "API_KEY_ENCRYPTION_KEYS_FILE"
HOW_TO_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
DISTINCT_BYTES_AT_LEAST = 16  # 32 random bytes have fewer once in 10**16
LOOK_EVERY = 1.0  # seconds
FINGERPRINT_LENGTH = 16
_PURPOSE = b"fuwuhao: fingerprint of a master key\0"


class NoMasterKeys(Exception):
    """There is none, or one is malformed. The message names the variable and quotes no key."""


def listed() -> tuple[str, ...]:
    """Those that are in the list, the newest first. Raises NoMasterKeys."""
    path = settings.API_KEY_ENCRYPTION_KEYS_FILE
    return _looked(path, again=False).keys if path else _in_environment()


def that_open(*, look_again: bool = False) -> tuple[str, ...]:
    """The same and, behind them, those that were in the file once; `look_again`: whenever it was
    looked at last. Raises NoMasterKeys.
    """
    path = settings.API_KEY_ENCRYPTION_KEYS_FILE
    if not path:
        return _in_environment()
    look = _looked(path, again=look_again)
    return look.keys + look.former


def _in_environment() -> tuple[str, ...]:
    # Read at every call: a test changes the setting under us.
    keys = tuple(settings.API_KEY_ENCRYPTION_KEYS)
    _refuse_bad(keys)
    return keys


def fingerprint(key: str) -> str:
    """Names a master key where it must not be shown: nobody finds 32 random bytes by it."""
    digest = hashlib.sha256(_PURPOSE + base64.urlsafe_b64decode(key)).hexdigest()
    return digest[:FINGERPRINT_LENGTH]


def variable() -> str:
    """The one that names them here."""
    return FILE_VARIABLE if settings.API_KEY_ENCRYPTION_KEYS_FILE else VARIABLE


def seconds_until_known() -> float:
    """How long to wait until every process has looked at the file since it changed."""
    if not settings.API_KEY_ENCRYPTION_KEYS_FILE:
        return 0.0
    stamp = _stamp(settings.API_KEY_ENCRYPTION_KEYS_FILE)
    changed_at = stamp[1] / 10**9 if stamp else 0.0  # a file that was moved here is older inside
    return max(0.0, min(2 * LOOK_EVERY, changed_at + 2 * LOOK_EVERY - time.time()))


# The file ---------------------------------------------------------------------------------------

_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Look:
    """What was found in the file. Replaced as a whole: threads need no lock for it."""

    path: str
    at: float  # by the monotonic clock
    stamp: _Stamp | None
    keys: tuple[str, ...]
    former: tuple[str, ...] = ()


class _Last:
    look: _Look | None = None


def _looked(path: str, *, again: bool) -> _Look:
    last = _Last.look
    if last is None or last.path != path:
        stamp = _stamp(path)  # before the reading: what changes meanwhile is read once more
        last = _Look(path, time.monotonic(), stamp, _read(path))
    elif again or time.monotonic() - last.at >= LOOK_EVERY:
        last = _looked_again(last)
    _Last.look = last
    return last


def _looked_again(last: _Look) -> _Look:
    """What cannot be used (a file half written, a mount that went away) replaces nothing."""
    stamp, keys = _stamp(last.path), last.keys
    if stamp != last.stamp:
        try:
            keys = _read(last.path)
            logger.info("master_keys_read", fingerprints=[fingerprint(key) for key in keys])
        except NoMasterKeys as fault:
            logger.error("master_keys_kept_as_they_were", reason=str(fault))
    former = tuple(key for key in last.keys + last.former if key not in keys)
    return _Look(last.path, time.monotonic(), stamp, keys, former)


def _stamp(path: str) -> _Stamp | None:
    try:
        found = Path(path).expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _read(path: str) -> tuple[str, ...]:
    keys = tuple(_lines(path))
    _refuse_bad(keys)
    return keys


def _lines(path: str) -> list[str]:
    """One key a line; what follows a # is a comment. Raises NoMasterKeys."""
    try:
        text = Path(path).expanduser().read_text(encoding="ascii")
    except OSError as error:
        raise NoMasterKeys(f"{FILE_VARIABLE}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NoMasterKeys(f"{FILE_VARIABLE}: {path} holds something else than keys") from None
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line]


# What is wrong with them ------------------------------------------------------------------------


def complaints() -> list[str]:
    """One sentence each, for whoever starts the platform; the keys are not quoted."""
    path = settings.API_KEY_ENCRYPTION_KEYS_FILE
    if path and settings.API_KEY_ENCRYPTION_KEYS:
        return [f"{VARIABLE} and {FILE_VARIABLE} are both set: name the keys in one of them alone"]
    try:
        keys = _lines(path) if path else list(settings.API_KEY_ENCRYPTION_KEYS)
    except NoMasterKeys as fault:
        return [str(fault)]
    if not keys:
        return [f"{variable()} is empty: make a key with {HOW_TO_MAKE_ONE}"]
    faults = [(number, _fault(key)) for number, key in enumerate(keys, start=1)]
    return [f"{variable()}: key {number} {what}" for number, what in faults if what]


def is_file_open_to_all() -> bool:
    """Whether everybody on the machine may read the master keys."""
    path = settings.API_KEY_ENCRYPTION_KEYS_FILE
    try:
        return bool(path) and bool(Path(path).expanduser().stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _refuse_bad(keys: tuple[str, ...]) -> None:
    if not keys:
        raise NoMasterKeys(f"{variable()} is empty")
    if any(not _is_key(key) for key in keys):
        raise NoMasterKeys(f"{variable()} holds a malformed key")


@lru_cache(maxsize=16)
def _is_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True


def _fault(key: str) -> str:
    if not _is_key(key):
        return f"is not 32 bytes in URL-safe base64: make one with {HOW_TO_MAKE_ONE}"
    if len(set(base64.urlsafe_b64decode(key))) < DISTINCT_BYTES_AT_LEAST:
        return f"is no random key: make one with {HOW_TO_MAKE_ONE}"
    return ""
