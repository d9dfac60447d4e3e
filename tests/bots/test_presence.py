"""Who has died is known at once: what it held does not wait for its lease."""

import os
import signal
import subprocess
import sys

import pytest
from django.db import OperationalError

from bots import claims, presence
from bots.models import Message
from bots.presence import Presence
from portal.environment import BASE_DIR
from tests import factories
from tests.bots.at_work import wait_for

HOLD = """
import sys, time, django
django.setup()
from bots.presence import Presence
held = Presence(sys.argv[1])
print("present", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def other(data_dir):
    """A process that is present as `other`."""
    environment = os.environ | {"DATA_DIR": str(data_dir)}
    environment["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, "other"],
        cwd=BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout as said:
        assert said.readline() == "present\n"
        yield process
    process.kill()
    process.wait()


def fail_to_take_over() -> None:
    with presence.departed():
        raise OperationalError


def gone() -> list[str]:
    with presence.departed() as names:
        return names


def test_a_process_that_was_killed_is_known_once(other):
    assert gone() == []
    other.send_signal(signal.SIGSTOP)
    assert gone() == []
    other.kill()
    other.wait()
    assert gone() == ["other"]
    assert gone() == []


def test_nobody_is_forgotten_in_vain(other):
    other.kill()
    other.wait()
    with pytest.raises(OperationalError):
        fail_to_take_over()
    assert gone() == ["other"]


def test_whoever_ends_properly_has_not_died(data_dir):
    present = Presence("w1")
    assert gone() == []
    present.end()
    assert gone() == []
    assert list((data_dir / "workers").iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_starts_takes_up_at_once_what_a_dead_one_held(
    number, upstream, other, request
):
    factories.key(number, upstream.url)
    pk = factories.message(number).pk
    claims.claim(pk, "other")
    other.kill()
    other.wait()
    request.getfixturevalue("worker")  # the lease would last for another 20 seconds
    wait_for(lambda: Message.objects.get().status == "done")
    assert Message.objects.get().attempt == 2
