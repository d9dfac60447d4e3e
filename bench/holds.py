"""500 long polls and 500 open streams on one web process: `python -m bench.holds` (a minute).

Quick requests (an authorised read of the feed) are measured without them and with them, in turns.
The waiting ones belong to 25 apps; each stream follows an unsettled answer of its own. On
PostgreSQL, and with `DATABASE_URL=sqlite` on the embedded stack.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import median

from django.db import connection, connections

from bench import stage
from bench.stage import ASGI, ON_SQLITE, THREADS, Goals, Site, serving
from bots.models import Conversation, Message, Person
from ddio_api import tokens
from portal.models import ServiceNumber
from tests import factories

APPS, HELD = 25, 500
ROUNDS, SECONDS = 3, 6.0
ASKERS, PAUSE = 4, 0.02
FEED = "/platform/api2/chat/feedback"


@dataclass(frozen=True)
class App:
    """A caller: its token, and its questions that nobody answers."""

    token: str
    messages: list[str]


@dataclass(frozen=True)
class Figures:
    """Milliseconds, megabytes, and how many there were at most."""

    p50: float
    p95: float
    rate: float
    rss: float
    threads: int
    connections: int

    def __str__(self) -> str:
        base = "" if ON_SQLITE else f"  {self.connections:2} database connections"
        times = f"p50 {self.p50:6.2f} ms  p95 {self.p95:6.2f} ms  {self.rate:4.0f}/s asked"
        return f"{times}  {self.rss:4.0f} MB  {self.threads:2} threads{base}"


def app() -> App:
    number = factories.number()
    secret = factories.secret(number)
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    return App(token, [_unanswered(number, index).pk for index in range(HELD // APPS)])


def _unanswered(number: ServiceNumber, index: int) -> Message:
    person = Person.objects.create(number=number, open_id=f"person-{index}")
    talk = Conversation.objects.create(number=number, person=person, channel="ddio")
    return Message.objects.create(
        number=number,
        person=person,
        conversation=talk,
        position=1,
        channel="ddio",
        question="Are you there?",
        due_at=talk.started_at,
    )


# Requests ---------------------------------------------------------------------------------------


class Line:
    """A connection to the web process, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, site: Site) -> "Line":
        return cls(*await asyncio.open_connection("127.0.0.1", site.port))

    def send(self, path: str, token: str) -> None:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        self.writer.write(head.encode())

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a bad answer: {head!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length)


async def quick(site: Site, caller: App, until: float) -> list[float]:
    line = await Line.to(site)
    taken = []
    while time.perf_counter() < until:
        began = time.perf_counter()
        line.send(FEED, caller.token)
        await line.answer()
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE)
    line.writer.close()
    return taken


@asynccontextmanager
async def waiting(site: Site, apps: list[App]) -> AsyncIterator[None]:
    """HELD polls and HELD streams; none may have ended when the context does."""
    lines = await asyncio.gather(*(Line.to(site) for _ in range(2 * HELD)))
    polls, streams = lines[:HELD], lines[HELD:]
    followed = [(caller, message) for caller in apps for message in caller.messages]
    for poll, stream, (caller, message) in zip(polls, streams, followed, strict=True):
        poll.send(f"{FEED}?wait=60", caller.token)
        stream.send(f"{FEED}/{message}/stream", caller.token)
    await asyncio.gather(*(stream.reader.readuntil(b"retry: 1000\n\n") for stream in streams))
    ends = [asyncio.create_task(line.reader.readuntil(b"HTTP/1.1")) for line in polls]
    ends += [asyncio.create_task(line.reader.readuntil(b"event: ")) for line in streams]
    await asyncio.sleep(2)  # until all of them wait
    yield
    ended = sum(end.done() for end in ends)
    for end in ends:
        end.cancel()
    for line in lines:
        line.writer.close()
    if ended:
        raise SystemExit(f"{ended} of those that should wait ended")
    await asyncio.sleep(1)


# Figures ----------------------------------------------------------------------------------------


async def measure(site: Site, apps: list[App]) -> Figures:
    until = time.perf_counter() + SECONDS
    askers = [quick(site, caller, until) for caller in apps[:ASKERS]]
    taken, (rss, threads, connections) = await asyncio.gather(
        asyncio.gather(*askers), _watch(site, until)
    )
    times = sorted(one for some in taken for one in some)
    p95 = times[int(len(times) * 0.95)]
    return Figures(median(times), p95, len(times) / SECONDS, rss, threads, connections)


async def _watch(site: Site, until: float) -> tuple[float, int, int]:
    """The most that was seen of memory, threads and connections, looked at now and then."""
    rss, threads, connections = 0.0, 0, 0
    while time.perf_counter() < until:
        rss = max(rss, site.worker.memory_info().rss / 2**20)
        threads = max(threads, site.worker.num_threads())
        connections = max(connections, _database_connections(site))
        await asyncio.sleep(0.5)
    return rss, threads, connections


def _database_connections(site: Site) -> int:
    """PostgreSQL's, of the web process: its sockets to the database's port."""
    if ON_SQLITE:
        return 0
    port = int(connection.settings_dict["PORT"] or 5432)
    return sum(1 for one in site.worker.net_connections() if one.raddr and one.raddr.port == port)


async def rounds(site: Site, apps: list[App]) -> tuple[list[Figures], list[Figures]]:
    without, with_them = [], []
    await measure(site, apps)  # warm
    for _round in range(ROUNDS):
        without.append(await measure(site, apps))
        async with waiting(site, apps):
            with_them.append(await measure(site, apps))
    return without, with_them


@contextmanager
def staged() -> Iterator[tuple[Site, list[App]]]:
    with stage.platform():
        apps = [app() for _ in range(APPS)]
        connections.close_all()
        with serving(ASGI) as site:
            yield site, apps


def main() -> None:
    goals = Goals()
    with staged() as (site, apps):
        without, with_them = asyncio.run(rounds(site, apps))
    for pair in zip(without, with_them, strict=True):
        print(f"without    {pair[0]}")
        print(f"with {2 * HELD}  {pair[1]}")
    ratio = median(found.p95 for found in with_them) / median(found.p95 for found in without)
    goals.at_most("p95 of quick requests, with by without", ratio, 2)
    goals.at_most("memory of the web process, MB", max(found.rss for found in with_them), 400)
    # Of Granian, the loop, the pool of connections and the call log beside those that answer.
    goals.at_most("threads", max(found.threads for found in with_them), 30)
    most = max(found.connections for found in with_them)
    goals.at_most("database connections: a thread's and the call log's", most, int(THREADS) + 1)
    goals.leave()


if __name__ == "__main__":
    main()
