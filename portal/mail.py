"""Mail of an installation without a mail server: a readable file each, told by `make up`.

Not through the log of a part: a link that signs somebody in has no business there.
"""

import os
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

FILE_BACKEND = "portal.mail.FileBackend"
RULE = "-" * 72
SETTLED_AFTER_NS = 1_000_000_000


def is_kept_in_files() -> bool:
    return bool(settings.EMAIL_BACKEND == FILE_BACKEND)


class FileBackend(BaseEmailBackend):
    """Writes each mail whole or not at all, for the owner of DATA_DIR alone."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        directory = Path(settings.EMAIL_FILE_PATH)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for message in email_messages:
            _write(directory, _readable(message))
        return len(email_messages)


def _readable(message: EmailMessage) -> str:
    """Plain text, and nothing that could steer a terminal or forge a header line."""
    head = [
        f"To: {', '.join(message.recipients())}",
        f"From: {message.from_email}",
        f"Subject: {message.subject}",
    ]
    lines = [*(" ".join(line.split()) for line in head), "", *str(message.body).splitlines()]
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines) + "\n"


def _write(directory: Path, text: str) -> None:
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    path = directory / f"{moment}-{secrets.token_hex(3)}.txt"
    draft = path.with_suffix(".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


class Teller:
    """Says each new mail on the terminal; the supervisor asks it at every tick.

    What lay there before it came is old news.
    """

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say
        self._changed_at = 0
        self._told = set(self._names())

    def __call__(self) -> bool:
        for name in self._names():
            if name not in self._told:
                self._told.add(name)
                self._tell(self._directory / name)
        return False

    def _names(self) -> list[str]:
        """The files there, in the order of writing; none where nothing was written since."""
        try:
            changed_at = self._directory.stat().st_mtime_ns
            if changed_at == self._changed_at:
                return []
            names = sorted(path.name for path in self._directory.glob("*.txt"))
        except OSError:
            return []
        # The clock of the file system is coarse: what is fresh may change again unseen.
        is_settled = time.time_ns() - changed_at > SETTLED_AFTER_NS
        self._changed_at = changed_at if is_settled else 0
        return names

    def _tell(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8").rstrip()
        except OSError:
            return
        self._say(f"{RULE}\nmail, kept in {path}\n\n{text}\n{RULE}")
