"""Lists of the safety filter's words: what stands in one, and the operator's, which is a file.

The file is looked at by whoever plans answers, in a thread of the database's, every few seconds.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from bots.safety_words import EDGE, WIDE, Words, pattern

logger = structlog.get_logger(__name__)

WORDS_AT_MOST = 20_000
CHARACTERS_AT_MOST = 200_000
SIGNS_AT_MOST = (
    40  # of one word: so much of an answer may have to be held back, and what is between
)
FILE_BYTES_AT_MOST = 8 * 1024 * 1024
LOOK_AGAIN_SECONDS = 2.0


class WordRefused(ValueError):
    """The word cannot be looked for; its text says why."""


def lines(text: str) -> list[str]:
    """The words of a list, one a line; what begins with # is a remark."""
    stripped = (line.strip() for line in text.splitlines())
    return list(dict.fromkeys(line for line in stripped if line and not line.startswith("#")))


def check(word: str) -> None:
    """Raises WordRefused for what would block nothing, or nearly everything."""
    signs = pattern(word).replace(EDGE, "")
    if not signs:
        raise WordRefused(_("it holds neither letter nor digit"))
    if len(signs) == 1 and signs < WIDE:
        raise WordRefused(_("a single letter or digit would block nearly everything"))
    if len(signs) > SIGNS_AT_MOST:
        raise WordRefused(_("it is longer than %(count)d characters") % {"count": SIGNS_AT_MOST})


# The operator's file ----------------------------------------------------------------------------


@dataclass
class _File:
    """The file as it was read last; `stamp` tells whether it is still that."""

    path: str = ""
    stamp: tuple[int, int, int] | None = None
    words: Words | None = None
    looked_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_file = _File()


def of_operator() -> Words | None:
    """The platform's list. While its file cannot be read, the list that was read last."""
    if not settings.BLOCKED_WORDS_FILE:
        return None
    with _file.lock:
        is_due = time.monotonic() - _file.looked_at >= LOOK_AGAIN_SECONDS
        if is_due or _file.path != settings.BLOCKED_WORDS_FILE:
            _look(settings.BLOCKED_WORDS_FILE)
            _file.looked_at = time.monotonic()
        return _file.words


def _look(path: str) -> None:
    if _file.path != path:
        _file.path, _file.stamp, _file.words = path, None, None
    try:
        found = Path(path).expanduser().stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if _file.stamp == stamp:
            return
        listed = list(_usable(lines(read_file(path))))
    except (OSError, ValueError) as error:
        logger.error("blocked_words_unreadable", path=path, error=repr(error))
        return
    _file.words, _file.stamp = Words(listed), stamp
    logger.info("blocked_words_read", path=path, words=_file.words.count)


def read_file(path: str) -> str:
    """Raises OSError, and ValueError where it is too large or not UTF-8."""
    with Path(path).expanduser().open("rb") as opened:
        content = opened.read(FILE_BYTES_AT_MOST + 1)
    if len(content) > FILE_BYTES_AT_MOST:
        raise ValueError(f"it is larger than {FILE_BYTES_AT_MOST} bytes")
    return content.decode("utf-8-sig")


def _usable(listed: Iterable[str]) -> Iterator[str]:
    for word in listed:
        try:
            check(word)
        except WordRefused as refusal:
            logger.warning("blocked_word_left_out", word=word[:80], reason=str(refusal))
        else:
            yield word
