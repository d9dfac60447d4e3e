"""`python -m bots.simulator`, and what `manage.py simulator` runs."""

import argparse
import asyncio
import os
import resource
import signal
import sys

import uvloop

from bots.simulator.ledger import REMEMBERED
from bots.simulator.server import Simulator

PORT = 9100
KEY_DIGEST = "SIMULATOR_KEY_SHA256"  # in the environment: the one key that is welcome, if set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bind", default="127.0.0.1", help="default: this machine alone")
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}; 0: a free one")
    parser.add_argument("--models", nargs="*", help="to list these instead of every behaviour")
    parser.add_argument(
        "--remember",
        type=int,
        default=REMEMBERED,
        metavar="N",
        help="count calls for so many request ids, the newest",
    )
    parser.add_argument(
        "--keep-last", action="store_true", help="tell the newest request's body in /calls"
    )


async def serve(bind: str, port: int, simulator: Simulator) -> None:
    """Until a signal. Raises OSError where nothing can listen there."""
    server = await simulator.listen(bind, port)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    address = server.sockets[0].getsockname()
    sys.stdout.write(f"serving at http://{address[0]}:{address[1]}/v1\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


def main(options: argparse.Namespace) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # each call that is held is a descriptor
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    simulator = Simulator(
        options.models,
        key_digest=os.environ.get(KEY_DIGEST, ""),
        keeps_last=options.keep_last,
        remembered=options.remember,
    )
    try:
        uvloop.run(serve(options.bind, options.port, simulator))
    except OSError as error:
        sys.exit(f"error: cannot listen on {options.bind}:{options.port}: {error.strerror}")


if __name__ == "__main__":
    parsed = argparse.ArgumentParser(description="A provider that answers or breaks as asked.")
    add_arguments(parsed)
    main(parsed.parse_args())
