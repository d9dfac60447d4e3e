"""What the bridge costs, and what held requests cost: `python -m bench.bridge` (half a minute).

Prints the rate and the server's CPU per request of a plain JSON view through the bridge and under
Granian's WSGI on the same site; then holds 500 streams and 500 responses on one process and
prints its threads, memory and the quick view's p95 meanwhile.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from portal.embedded import free_port

SECONDS = 5.0
CONNECTIONS = 32
HELD = 500
COMMON = "--loop uvloop --http 1 --backlog 4096 --no-ws --workers-kill-timeout 5"
BRIDGE = f"{COMMON} --interface asgi --backpressure 4096 portal.asgi:application"
WSGI = f"{COMMON} --interface wsgi --blocking-threads 4 --factory"
WSGI += " django.core.wsgi:get_wsgi_application"


@dataclass
class Site:
    port: int
    worker: psutil.Process

    def cpu_seconds(self) -> float:
        times = self.worker.cpu_times()
        return times.user + times.system


@contextmanager
def serving(flags: str) -> Iterator[Site]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--port", str(port), *flags.split()]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.portal.bridge_settings"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            asyncio.run(until_ready(port))
            yield Site(port, psutil.Process(process.pid).children()[-1])
        finally:
            process.terminate()
            process.wait(15)


async def until_ready(port: int) -> None:
    for _ in range(200):
        try:
            await ask(*await connect(port), "/quick")
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return
    raise SystemExit("the server did not come up")


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


async def ask_again_and_again(port: int, until: float, pause: float) -> list[float]:
    reader, writer = await connect(port)
    taken = []
    while time.perf_counter() < until:
        began = time.perf_counter()
        await ask(reader, writer, "/quick")
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(pause)
    writer.close()
    return taken


async def load(port: int, connections: int, pause: float = 0.0) -> list[float]:
    until = time.perf_counter() + SECONDS
    askers = [ask_again_and_again(port, until, pause) for _ in range(connections)]
    return [seconds for taken in await asyncio.gather(*askers) for seconds in taken]


def measure_quick(name: str, flags: str) -> tuple[float, float]:
    with serving(flags) as site:
        asyncio.run(load(site.port, CONNECTIONS))  # warm
        before = site.cpu_seconds()
        taken = asyncio.run(load(site.port, CONNECTIONS))
        rate = len(taken) / SECONDS
        cpu = (site.cpu_seconds() - before) / len(taken)
    print(f"{name}: {rate:,.0f}/s, {cpu * 1e6:.0f} µs CPU each, {CONNECTIONS} in parallel")
    return rate, cpu


async def hold(port: int, path: str) -> asyncio.StreamWriter:
    reader, writer = await connect(port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if "stream" in path:
        await reader.readuntil(b"\n\n")
    return writer


async def quick_while_held(site: Site) -> None:
    paths = ["/stream?count=9&pause=60", "/held?seconds=60"] * HELD
    writers = await asyncio.gather(*(hold(site.port, path) for path in paths))
    taken = sorted(await load(site.port, 16, pause=0.02))
    rss = site.worker.memory_info().rss / 2**20
    p50, p95 = statistics.median(taken), taken[int(len(taken) * 0.95)]
    print(f"held: {len(writers)} (half streams), {site.worker.num_threads()} threads, {rss:.0f} MB")
    print(f"quick meanwhile: {len(taken) / SECONDS:,.0f}/s asked, p50 {p50 * 1e3:.1f} ms, ", end="")
    print(f"p95 {p95 * 1e3:.1f} ms")
    for writer in writers:
        writer.close()


def main() -> None:
    bridge_rate, bridge_cpu = measure_quick("bridge", BRIDGE)
    wsgi_rate, wsgi_cpu = measure_quick("WSGI", WSGI)
    print(f"bridge / WSGI: rate {bridge_rate / wsgi_rate:.2f}, CPU {bridge_cpu / wsgi_cpu:.2f}")
    with serving(BRIDGE) as site:
        rss, threads = site.worker.memory_info().rss / 2**20, site.worker.num_threads()
        print(f"idle: {threads} threads, {rss:.0f} MB")
        asyncio.run(quick_while_held(site))


if __name__ == "__main__":
    main()
