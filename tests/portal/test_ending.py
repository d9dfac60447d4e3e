"""A web process that is told to stop: its door is shut before its server hears of the end."""

import subprocess
import sys

import pytest

# The server that this process stands for would close its listening socket, and cut off whoever is
# connected and not read from. So it is asked, at that moment, whether anybody still gets in.
STOPPED = """
import asyncio, os, signal, socket
from portal import ending

door = socket.create_server(("127.0.0.1", 0))
served = socket.create_connection(door.getsockname())

def server(signum, frame):
    door.setblocking(False)
    door.accept()[0].close()  # who came before is still there
    try:
        socket.create_connection(door.getsockname(), timeout=0.3)
        print("let in")
    except TimeoutError:
        print("left out")

async def scene():
    signal.signal(signal.{name}, server)
    ending.hear_stop_signals()
    os.kill(os.getpid(), signal.{name})
    await asyncio.wait_for(ending.stopping().wait(), 10)
    print("stopping")

asyncio.run(scene())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a filter of Linux's kernel")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_newcomers_are_left_out_before_the_server_hears_of_the_end(name: str):
    scene = [sys.executable, "-c", STOPPED.format(name=name)]
    done = subprocess.run(scene, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split("\n") == ["left out", "stopping", ""]
