"""The smallest balancer there is: each connection goes to the next web process that takes it.

Where one refuses the connection the next one is asked; nothing else is tried again, so whatever a
web process drops is seen by the client, and counted here.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from itertools import count

PIECE = 65536
OPEN_SECONDS = 10

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._turns = count()
        self._open = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = ""
        self.connections = 0
        self.refused = 0  # by one web process, so that another one was asked
        self.dropped = 0  # taken by a web process, and closed without a byte of an answer

    def start(self) -> None:
        self._thread.start()
        assert self._open.wait(OPEN_SECONDS)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._balance())

    async def _balance(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._open.set()
        await self._end.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.CancelledError):
            behind = await self._connected()
            if behind:
                await self._join((reader, writer), behind)
        writer.close()

    async def _connected(self) -> Ends | None:
        turn = next(self._turns)
        for offset in range(len(self._ports)):
            port = self._ports[(turn + offset) % len(self._ports)]
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                self.refused += 1
        return None

    async def _join(self, client: Ends, web: Ends) -> None:
        asking = asyncio.create_task(_pour(client[0], web[1]))
        asking.add_done_callback(lambda _: web[1].close())  # the client is gone
        answered = await _pour(web[0], client[1])
        if answered == 0 and not asking.done():
            self.dropped += 1
        asking.cancel()


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> int:
    """Everything from here to there; returns how many bytes that were."""
    poured = 0
    with contextlib.suppress(OSError):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()
            poured += len(piece)
    return poured


@contextlib.contextmanager
def balancing(*ports: int) -> Iterator[Balancer]:
    balancer = Balancer(ports)
    balancer.start()
    try:
        yield balancer
    finally:
        balancer.stop()
