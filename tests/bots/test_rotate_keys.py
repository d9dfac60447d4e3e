"""Master keys rotated under load: whoever opens, binds, edits or judges keys notices nothing.

ROTATED_KEYS says how many are stored; 20,000 is the figure that is promised.
"""

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bots import keys, master_keys, plans, rotation
from bots.models import ApiKey, KeyStatus, Message
from bots.vault import VaultError
from portal.models import ServiceNumber, User
from tests import factories
from tests.ddio_api.answers import MOMENT_SECONDS, apart

KEYS = int(os.environ.get("ROTATED_KEYS", "400"))
ROTATIONS = 2
URL = "https://api.example.com"
EDITED = 40  # keys that are edited and judged again and again


def write(file: Path, *master: str) -> None:
    """As an operator should: whoever reads meanwhile finds the one or the other."""
    draft = file.with_suffix(".new")
    draft.write_text("\n".join([*master, ""]))
    draft.replace(file)


@pytest.fixture
def file(settings, tmp_path) -> Path:
    settings.API_KEY_ENCRYPTION_KEYS = []
    settings.API_KEY_ENCRYPTION_KEYS_FILE = str(tmp_path / "master-keys")
    return tmp_path / "master-keys"


@pytest.fixture
def oldest(file) -> str:
    key = Fernet.generate_key().decode()
    write(file, key)
    return key


@pytest.fixture
def stored(transactional_db: None, number: ServiceNumber, oldest: str) -> list[str]:
    """Their ids. Each at a base URL of its own: it has no twins to be looked for."""
    made = [
        ApiKey(number=number, base_url=f"{URL}/{index}", status=KeyStatus.VALID)
        for index in range(KEYS)
    ]
    for index, key in enumerate(made):
        key.seal(typed(index))
    ApiKey.objects.bulk_create(made, batch_size=500)
    return [key.pk for key in made]


def typed(number: int) -> str:
    return f"sk-load-{number:08}-1234567890"


class Load:
    """What is done with keys in a platform that works, and what went wrong meanwhile."""

    def __init__(self, stored: list[str], message: Message, spare: ServiceNumber) -> None:
        self._stored, self._message, self._spare = stored, message, spare
        self._edited, self._judged = stored[:EDITED], stored[EDITED : 2 * EDITED]
        self._numbers = itertools.count(KEYS)
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def open(self) -> None:
        ApiKey.objects.get(pk=random.choice(self._stored)).open()

    def answer(self) -> None:
        """As a worker does: the verdict comes some time after the key was read."""
        [plan] = plans.make_all([self._message])
        [(key, _endpoint)] = plan.keys
        statuses = {KeyStatus.VALID: KeyStatus.RATE_LIMITED}
        status = statuses.get(key.status, KeyStatus.VALID)
        key.take_verdict(status, "HTTP 200")
        self._expect("an answer's verdict", pk=key.pk, status=status)

    def check(self) -> None:
        begun = keys.begin_check(random.choice(self._judged))
        begun.end_check(KeyStatus.VALID, "HTTP 200")
        self._expect("a check's verdict", pk=begun.pk, check_due_at=None, status=KeyStatus.VALID)

    def edit(self) -> None:
        key = ApiKey.objects.select_related("number").get(pk=random.choice(self._edited))
        wanted = keys.Edit(label="", base_url=key.base_url, api_key=typed(next(self._numbers)))
        keys.edit(key, wanted, actor=key.number.owner)
        if ApiKey.objects.get(pk=key.pk).open()[1] != wanted.api_key:
            self.wrong.append(f"what was typed for {key.pk} is lost")

    def bind(self) -> None:
        bound = keys.bind(self._spare, URL, typed(next(self._numbers)), actor=None)
        ApiKey.objects.get(pk=bound.pk).open()
        for key in self._spare.api_keys.bound().order_by("created_at", "pk")[10:]:
            keys.remove(key, actor=None)

    def _expect(self, what: str, **stored: object) -> None:
        if not ApiKey.objects.filter(**stored).exists():
            self.wrong.append(f"{what} is lost: {stored['pk']}")

    def _again(self, act: Callable[[], None]) -> None:
        name = act.__name__
        while not self._over.is_set():
            try:
                act()
            except VaultError as error:
                self.wrong.append(f"{name}: {error}")
            self.done[name] += 1
            time.sleep(MOMENT_SECONDS)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Everybody does it again and again; raises what ended one of them before."""
        acts = [self.open, self.open, self.answer, self.check, self.edit, self.bind]
        with ThreadPoolExecutor(len(acts)) as pool:
            running = [pool.submit(apart(self._again), act) for act in acts]
            try:
                yield
            finally:
                self._over.set()
        for each in running:
            each.result()


def rotate(file: Path, old: str) -> tuple[str, rotation.Report]:
    """Put a new master key in front, seal all anew, take the old one away."""
    new = Fernet.generate_key().decode()
    write(file, new, old)
    time.sleep(master_keys.LOOK_EVERY)  # until everybody seals with the new one
    report = rotation.rotate()
    assert report.needed[master_keys.fingerprint(old)] == 0
    write(file, new)
    master_keys._Last.look = None  # as if all had started anew
    return new, report


@pytest.fixture
def load(stored: list[str], alice: User) -> Load:
    """An answer is asked of a number with one key, and another number has room to bind some."""
    answering, spare = (factories.number(owner=alice) for _ in range(2))
    factories.key(answering, URL)
    return Load(stored, factories.message(answering), spare)


def test_nobody_meets_a_key_that_does_not_open(load, file, oldest):
    began, key, reports = time.monotonic(), oldest, []
    with load.going_on():
        for _ in range(ROTATIONS):
            key, report = rotate(file, key)
            reports.append(report)
        time.sleep(master_keys.LOOK_EVERY)
    seconds, resealed = time.monotonic() - began, [each.resealed for each in reports]
    changed = [each.changed_meanwhile for each in reports]
    print(f"{KEYS} keys, {seconds:.1f} s: {resealed} sealed anew, {changed} changed meanwhile")
    print(dict(load.done))
    assert load.wrong == []
    assert [each.unopened for each in reports] == [[]] * ROTATIONS
    assert master_keys.that_open() == (key,)
    assert all(each.open()[1] for each in ApiKey.objects.sealed())
    assert min(load.done.values()) > 0
