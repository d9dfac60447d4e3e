"""The cast: Alice owns a number, Charlie owns another and must get nothing of Alice's."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import Client, TransactionTestCase
from django.utils import translation
from rest_framework.test import APIClient

from bots import answering, backlog
from bots.worker import Worker
from ddio_api import call_log, granting, tokens
from portal import app_records, nudges, parts, valkey
from portal.hold import HeldResponse
from portal.models import ServiceNumber, User
from tests import cookies, emptying, factories
from tests.upstream import Upstream, running_upstream


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is `alike` whatever the database has no business with one."""
    liars = [item.nodeid for item in items if item.get_closest_marker("alike")
             and (item.get_closest_marker("django_db") or "db" in item.fixturenames)]  # type: ignore[attr-defined]  # fmt: skip
    if liars:
        raise pytest.UsageError(f"marked alike, but with a database: {', '.join(liars)}")


@pytest.fixture(scope="session", autouse=True)
def valkey_server() -> Iterator[None]:
    """A Valkey for the whole run: the one that REDIS_URL names, or the embedded one."""
    if not django_settings.REDIS_IS_EMBEDDED:
        yield
        return
    Path(django_settings.DATA_DIR).mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(parts.valkey().command, stdout=subprocess.DEVNULL)
    try:
        _wait_for_valkey()
        yield
    finally:
        server.kill()
        server.wait()


def _wait_for_valkey() -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            redis.Redis.from_url(django_settings.REDIS_URL).ping()
            return
        except redis.ConnectionError:
            time.sleep(0.02)
    raise RuntimeError("Valkey did not start")


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty_database)
        yield


@pytest.fixture(scope="session", autouse=True)
def signed_cookies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cookies.sign(patch)
        yield


@pytest.fixture(autouse=True)
def clean_valkey(valkey_server: None) -> None:
    valkey._Pause.until = 0.0
    redis.Redis.from_url(django_settings.REDIS_URL).flushdb()
    granting._Noted.at.clear()
    backlog._known.clear()


@pytest.fixture(autouse=True)
def no_language_left_over() -> None:
    """A request of the test client leaves its language behind in this thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def records_told_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a commit follows at once where a test's own transaction never commits."""
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    if not commits and "transactional_db" not in request.fixturenames:
        monkeypatch.setattr(app_records, "when_committed", lambda function: function())


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> call_log.CallLog:
    """The call log without its thread, which would write past the test's transaction: `flush()`."""
    monkeypatch.setattr(call_log.CallLog, "_see_to_thread", lambda _log: None)
    monkeypatch.setattr(call_log, "log", call_log.CallLog())
    return call_log.log


@pytest.fixture(autouse=True)
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Nudges are collected instead of sent; the process tests are about the real broker."""
    sent: list[tuple[Any, ...]] = []

    def collect(task_name: str, *items: Any) -> None:
        sent.append((task_name, *items))

    monkeypatch.setattr(nudges, "nudge", collect)
    return sent


@pytest.fixture
def alice(db: None) -> User:
    return factories.user("alice@example.org")


@pytest.fixture
def charlie(db: None) -> User:
    return factories.user("charlie@example.org")


@pytest.fixture
def moderator(db: None) -> User:
    return factories.user("moderator@example.org", is_moderator=True)


@pytest.fixture
def number(alice: User) -> ServiceNumber:
    return factories.number("Alice's robot", owner=alice)


@pytest.fixture
def charlies_number(charlie: User) -> ServiceNumber:
    return factories.number("Charlie's robot", owner=charlie)


@pytest.fixture
def as_alice(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


def page(response: HttpResponse) -> str:
    return response.content.decode()


class DdioClient:
    """An external system: JSON in, JSON out, and it waits where the server holds."""

    BASE = "/platform/api2/"

    def __init__(self, token: str = "") -> None:
        """Paths are below BASE unless they begin with a slash."""
        self._client = APIClient(raise_request_exception=False)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def post(self, path: str, body: Any, **headers: str) -> HttpResponse:
        content = body if isinstance(body, bytes | str) else json.dumps(body)
        content_type = headers.pop("content_type", "application/json")
        return self._finished(
            self._client.generic(
                "POST",
                self._at(path),
                content,
                content_type=content_type,
                headers=self._headers | headers,
            )
        )

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> HttpResponse:
        response = self._client.get(self._at(path), query or {}, headers=self._headers | headers)
        return self._finished(response)

    def call(self, method: str, path: str, **headers: str) -> HttpResponse:
        return self._client.generic(method, self._at(path), headers=self._headers | headers)

    def _at(self, path: str) -> str:
        return path if path.startswith("/") else self.BASE + path

    @staticmethod
    def _finished(response: HttpResponse) -> HttpResponse:
        if isinstance(response, HeldResponse):
            asyncio.run(response.resolve())
        return response


def ddio_client(made: ServiceNumber) -> DdioClient:
    issued = factories.secret(made)
    return DdioClient(tokens.issue(made.app_id, issued.row.generation)[0])


@pytest.fixture
def anonymous(db: None) -> DdioClient:
    return DdioClient()


@pytest.fixture
def client_of_alice(number: ServiceNumber) -> DdioClient:
    return ddio_client(number)


@pytest.fixture
def client_of_charlie(charlies_number: ServiceNumber) -> DdioClient:
    return ddio_client(charlies_number)


@pytest.fixture
def upstream(settings: Any) -> Iterator[Upstream]:
    """A provider of our own on loopback, which the operator allows."""
    with running_upstream() as running:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{running.port}"]
        yield running


@pytest.fixture
def worker(transactional_db: None) -> Iterator[Worker]:
    """A worker's loop and timers in this process, without Celery in front."""
    running = Worker(answering.attempt)
    running.start()
    yield running
    running.stop()
    running._database.shutdown()  # what it still writes must not come into the next test
