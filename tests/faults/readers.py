"""One who follows an answer's stream, is cut off, and goes on where he was."""

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import requests

from tests.platform import Client, parse_events

CONNECT_SECONDS, SILENCE_SECONDS = 5, 30
AGAIN_SECONDS = 0.2  # the stream's own `retry` asks for a second
CUTS = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def never(_events: int) -> bool:
    return False


class Reader:
    """`text` is what he has in front of him, `answer` the row that `done` brought."""

    def __init__(self, client: Client, message_id: str, *bases: str) -> None:
        """Each connection goes to the next of the bases, to the client's own without any."""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {client.token}"
        self._session.headers["Connection"] = "close"
        self._bases = cycle(bases or [client.base])
        self.message_id = message_id
        self._last_id = ""
        self.text = ""
        self.answer: dict[str, Any] | None = None
        self.connections = self.resets = self.refusals = self.cuts = 0
        self.misplaced = 0  # pieces that did not follow on what was there
        self.errors: list[Any] = []

    def follow(self, seconds: float = 90, leaves: Callable[[int], bool] = never) -> "Reader":
        """Until `done`; he leaves a connection after so many events that `leaves` says so."""
        end = time.monotonic() + seconds
        while self.answer is None and not self.errors:
            assert time.monotonic() < end, f"no end of {self.message_id}; {self.text[-40:]!r}"
            self._connect(leaves)
            if self.answer is None:
                time.sleep(AGAIN_SECONDS)
        return self

    @property
    def is_whole(self) -> bool:
        """He has the stored answer, without a gap and without a repeat."""
        told = self.answer or {}
        return self.text == (told.get("answer") or "") and not self.misplaced and not self.errors

    def _connect(self, leaves: Callable[[int], bool]) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        url = f"{next(self._bases)}/chat/feedback/{self.message_id}/stream"
        patience = (CONNECT_SECONDS, SILENCE_SECONDS)
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=patience) as answer:
                self._take(answer, leaves)
        except CUTS as error:
            self._cut(error)

    def _cut(self, error: Exception) -> None:
        refused = "refused" in str(error)
        self.refusals += refused
        self.cuts += not refused

    def _take(self, answer: requests.Response, leaves: Callable[[int], bool]) -> None:
        if answer.status_code == 503:
            self.refusals += 1
        elif answer.status_code != 200:
            self.errors.append((answer.status_code, answer.text))
        else:
            self._read(answer, leaves)

    def _read(self, answer: requests.Response, leaves: Callable[[int], bool]) -> None:
        self.connections += 1
        for number, event in enumerate(_events(answer), 1):
            self._take_event(*event)
            if self.answer or leaves(number):
                return

    def _take_event(self, kind: str, event_id: str, data: Any) -> None:
        self._last_id = event_id or self._last_id
        if kind == "delta":
            self.text += data["text"]
            self.misplaced += int(event_id.split("-")[1]) != len(self.text)
        elif kind == "reset":
            self.text = ""
            self.resets += 1
        elif kind == "done":
            self.answer = data
        elif kind == "error":
            self.errors.append(data)


def _events(answer: requests.Response) -> Iterator[tuple[str, str, Any]]:
    lines = answer.iter_lines(chunk_size=1, decode_unicode=False)
    return parse_events(line.decode() for line in lines)
