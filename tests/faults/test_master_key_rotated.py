"""The master key rotated while robots answer, and one that is missing when a worker starts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bots import master_keys
from portal.environment import BASE_DIR
from tests.faults import stacks
from tests.faults.asking import Asking, ask, settled
from tests.faults.figures import Tell
from tests.faults.stacks import Stack, running_stack, sized
from tests.platform import Platform, wait_for
from tests.upstream import Upstream

STORED = """
number = factories.number()
keys = [ApiKey(number=number, base_url="https://a.example/%d" % each) for each in range({})]
[key.seal("sk-stored-1234567890") for key in keys]
ApiKey.objects.bulk_create(keys, batch_size=500)
"""
SEALED_WITH = "result = ApiKey.objects.filter(sealed_with={!r}).count()"
DOES_NOT_OPEN = "api_key_does_not_open"


class MasterKeys:
    """The file that names them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.newest = ""
        self.put_in_front()

    def write(self, *listed: str) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text("\n".join([*listed, ""]))
        draft.chmod(0o400)
        draft.replace(self.path)

    def put_in_front(self) -> str:
        """A new one; returns the one before."""
        old, self.newest = self.newest, Fernet.generate_key().decode()
        self.write(self.newest, old)
        return old


@pytest.fixture
def master(tmp_path: Path) -> MasterKeys:
    return MasterKeys(tmp_path / "master-keys")


@pytest.fixture
def own_stack(tmp_path: Path, master: MasterKeys) -> Iterator[Stack]:
    named = {"API_KEY_ENCRYPTION_KEYS_FILE": str(master.path)}
    with running_stack(tmp_path, stacks.NAME, **named) as running:
        yield running


def begin_and_kill(stack: Stack, newest: str) -> int:
    """A rotation that is killed as soon as it has written; how many rows it has left."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "rotate_keys"],
        cwd=BASE_DIR,
        env=stack.platform.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sealed = SEALED_WITH.format(master_keys.fingerprint(newest))
    wait_for(lambda: stack.hands.do(sealed), what="the first row")
    process.kill()
    process.wait()
    count = "result = ApiKey.objects.sealed().count()"
    return int(stack.hands.do(count)) - int(stack.hands.do(sealed))


def rotate(platform: Platform) -> dict[str, object]:
    report: dict[str, object] = json.loads(platform.manage("rotate_keys", "--json").stdout)
    return report


@pytest.mark.fault(18, "master key rotated under load")
def test_a_rotation_is_not_noticed_and_the_old_key_may_go(
    own_stack: Stack, master: MasterKeys, provider: Upstream, tell: Tell
):
    stored, rotations, left = sized(full=5_000, short=1_000), sized(full=5, short=2), 0
    client, reports = own_stack.robot(provider), []
    own_stack.hands.do(STORED.format(stored))
    with Asking(client) as asking:
        for _ in range(rotations):
            old = master.put_in_front()
            left += begin_and_kill(own_stack, master.newest)
            reports.append(rotate(own_stack.platform))
            assert reports[-1]["masterKeys"][1]["mayBeRemoved"], old
            master.write(master.newest)
            own_stack.platform.kill_worker()  # the next one knows the newest key alone
    account = settled(client, provider, asking.accepted)
    failures = own_stack.platform.logs().count(DOES_NOT_OPEN)
    tell(account, keys=stored, rotations=rotations, taken_up=left, decrypt_failures=failures)
    assert [(each["missing"], each["didNotOpen"]) for each in reports] == [([], [])] * rotations
    assert account.is_sound
    assert failures == 0


@pytest.mark.fault(18, "a worker without its master key")
def test_a_worker_that_lacks_it_refuses_and_its_questions_wait(
    own_stack: Stack, master: MasterKeys, provider: Upstream, tell: Tell
):
    client, platform = own_stack.robot(provider), own_stack.platform
    master.write(Fernet.generate_key().decode())
    while_it_lives = client.ask("Hello?", wait=20)
    platform.kill_worker()
    refusal = "worker: stopped (exit code 78), not starting again"
    wait_for(lambda: refusal in platform.output.read_text(), what="the refusal")
    waiting, _ = ask(client, "later")
    asked = client.item(waiting, wait=3)["status"]
    platform.stop()
    master.write(master.newest)
    platform.output.unlink()
    platform.start()
    account = settled(client, provider, {waiting, while_it_lives["messageID"]})
    tell(account)
    assert (while_it_lives["status"], asked) == ("done", "queued")
    assert account.is_sound
