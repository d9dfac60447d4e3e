"""Every response that a test of the open interface sees is held against the schema."""

from collections.abc import Iterator

import pytest
from django.http import HttpResponse
from django.utils import translation

from portal.models import ServiceNumber
from tests.conftest import DdioClient
from tests.ddio_api import conformance
from tests.ddio_api.openai_client import OpenAiClient, openai_client

UNREACHABLE = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def conforming(monkeypatch: pytest.MonkeyPatch) -> None:
    finish, call = DdioClient._finished, DdioClient.call

    def finished(response: HttpResponse) -> HttpResponse:
        return conformance.checked(finish(response))

    def called(client: DdioClient, method: str, path: str, **headers: str) -> HttpResponse:
        return conformance.checked(call(client, method, path, **headers))

    monkeypatch.setattr(DdioClient, "_finished", staticmethod(finished))
    monkeypatch.setattr(DdioClient, "call", called)


@pytest.fixture(autouse=True)
def static_files_are_found_when_asked_for(settings) -> None:
    """Otherwise each test client reads the whole list of them first, for 40 ms."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    """A test that asks in Chinese leaves no Chinese behind."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def nobody_waits_long(settings) -> None:
    """A test that goes wrong ends all the same."""
    settings.OPENAI_MAX_WAIT = 10


@pytest.fixture
def openai_of_alice(number: ServiceNumber) -> OpenAiClient:
    return openai_client(number)


@pytest.fixture
def without_valkey(settings) -> None:
    settings.REDIS_URL = UNREACHABLE
