"""A cheap client: each asker has a connection of his own and asks again as soon as he is answered.

Not wrk: each asker's questions differ from everybody else's, and wrk's scripts do not know on which
connection a request goes out.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import uvloop

SECONDS_AT_MOST = 90.0
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"
Requests = Callable[[int], Iterator[bytes]]  # those of the asker of this index


class Line(asyncio.Protocol):
    """One connection: a request, its whole answer, the next one."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._end = 0  # of the answer, where its head says that
        self._answered: asyncio.Future[bytes] | None = None

    @classmethod
    async def to(cls, port: int) -> "Line":
        loop = asyncio.get_running_loop()
        _transport, line = await loop.create_connection(cls, "127.0.0.1", port)
        return line

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> bytes:
        """The answer, head and all."""
        self._received.clear()
        self._end = 0
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        self._answered = None
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._end:
            self._read_head()
        is_whole = self._end and len(self._received) >= self._end
        if is_whole or (self._end == 0 and self._received.endswith(_END_OF_CHUNKS)):
            self._finish(bytes(self._received))

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        _before, found, rest = head.partition(b"\r\ncontent-length:")
        self._end = end + 4 + int(rest.partition(b"\r\n")[0]) if found else 0

    def _finish(self, answer: bytes) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answered and not self._answered.done():
            self._answered.set_exception(error or ConnectionError("closed in an answer"))


def post(path: str, body: bytes, token: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass(frozen=True)
class Asked:
    """What a load came to: milliseconds of each answer, and seconds in all."""

    times: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    @property
    def p50(self) -> float:
        return median(self.times)

    @property
    def p95(self) -> float:
        return percentile(self.times, 95)


def percentile(figures: list[float], percent: int) -> float:
    ordered = sorted(figures)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def load(port: int, requests: Requests, good: bytes, askers: int, seconds: float) -> Asked:
    """So many askers for so long; every answer must hold the good bytes."""
    return uvloop.run(_load(port, requests, good, askers, seconds))


async def _load(port: int, requests: Requests, good: bytes, askers: int, seconds: float) -> Asked:
    lines = [await Line.to(port) for _ in range(askers)]
    began = time.perf_counter()
    until = began + seconds
    async with asyncio.timeout(seconds + SECONDS_AT_MOST):
        taken = await asyncio.gather(
            *(_ask_on(line, requests(index), good, until) for index, line in enumerate(lines))
        )
    spent = time.perf_counter() - began
    for line in lines:
        line.close()
    return Asked([one for some in taken for one in some], spent)


async def _ask_on(line: Line, requests: Iterator[bytes], good: bytes, until: float) -> list[float]:
    taken: list[float] = []
    while (began := time.perf_counter()) < until:
        answer = await line.ask(next(requests))
        taken.append((time.perf_counter() - began) * 1000)
        if good not in answer:
            raise SystemExit(f"a bad answer: {answer[:600].decode(errors='replace')}")
    return taken
