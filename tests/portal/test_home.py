"""The first page: what this is, and where to begin."""

import pytest

from portal.models import State
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(alice):
    made = factories.number(owner=alice)
    made.handle = "demo"
    made.save()
    return made


def page(client) -> str:
    return client.get("/").content.decode()


def test_a_stranger_may_sign_up_or_log_in(client):
    assert 'href="/accounts/signup/"' in page(client)
    assert 'href="/accounts/login/"' in page(client)


def test_who_is_signed_in_opens_the_console(client, alice):
    client.force_login(alice)
    assert "Open the console" in page(client)
    assert "Sign up" not in page(client)


def test_it_offers_the_demo(client, demo):
    assert 'href="/chat/demo/"' in page(client)


def test_there_is_no_demo_without_its_number(client):
    assert "Try the demo" not in page(client)


@pytest.mark.parametrize("state", [State.DRAFT, State.SUSPENDED, State.CLOSED])
def test_there_is_no_demo_while_its_number_is_away(client, demo, state):
    demo.state = state
    demo.save()
    assert "Try the demo" not in page(client)


def test_there_is_no_demo_without_the_local_model(client, demo, settings):
    settings.LOCAL_MODEL = False
    assert "Try the demo" not in page(client)


def test_it_is_only_read(client):
    assert client.post("/").status_code == 405
