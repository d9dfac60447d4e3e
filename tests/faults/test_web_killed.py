"""Web processes that die between the commit and the nudge: the sweepers find the question."""

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import requests

from portal import parts
from portal.embedded import free_port
from portal.supervisor import Part
from tests.faults.asking import settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, sized
from tests.platform import Client, wait_for
from tests.upstream import Upstream

DEATHS = sized(full=100, short=5)
AT_ONCE = 3
DEAD_SECONDS = 20


def dying_web() -> tuple[Part, str]:
    """A web process beside the platform's own, which its first nudge kills; and its address."""
    port = str(free_port())
    command = list(parts.web().command)
    command[command.index("--port") + 1] = port
    command[command.index("--workers") + 1] = "1"
    command[-1] = "tests.faults.dying_web:application"
    return Part("dying-web", command), f"http://127.0.0.1:{port}/platform/api2"


def is_listened_to(address: str) -> bool:
    parts = urlsplit(address)
    with suppress(OSError), socket.create_connection((parts.hostname, parts.port), 1):
        return True
    return False


def ask_and_kill(stack: Stack, robot: Client, text: str) -> bool:
    """Ask a web process that dies of it; whether it could still say that it took the question."""
    part, address = dying_web()
    body = {"openID": f"person-{text}", "message": text}
    headers = {"Authorization": f"Bearer {robot.token}"}
    with stack.further(part, "Started worker-1") as process:
        wait_for(lambda: is_listened_to(address), what="a web process that listens")
        try:
            answer = requests.post(f"{address}/chat/send", json=body, headers=headers, timeout=60)
            heard = f"{answer.status_code} {answer.text}"
        except requests.ConnectionError as error:
            heard = repr(error)
        try:
            process.wait(DEAD_SECONDS)  # the server ends when the process that serves has died
        except subprocess.TimeoutExpired:
            pytest.fail(f"the web process lives; whoever asked it heard: {heard}")
    return heard.startswith("202")


@pytest.mark.fault(2, "web killed between commit and nudge")
def test_it_answers_what_a_dying_web_process_had_committed(
    stack: Stack, provider: Upstream, tell: Tell
):
    robot = stack.robot(provider)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        texts = [f"q{number}" for number in range(DEATHS)]
        told = sum(pool.map(lambda text: ask_and_kill(stack, robot, text), texts))
    committed = stack.records(robot)
    account = settled(robot, provider, committed)
    rows = stack.records(robot).values()
    slowest = max((each.answered_at or 0.0) - each.asked_at for each in rows)
    tell(account, deaths=DEATHS, told=told, slowest_s=slowest)
    assert len(committed) == DEATHS
    assert account.is_sound
    assert slowest <= stack.sweep + stack.lease
