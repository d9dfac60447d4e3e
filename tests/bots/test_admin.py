"""Django's admin of robots and conversations: to look at only, and never at what was said."""

import pytest
from django.test import Client
from django.urls import reverse

from bots import settlement
from bots.models import ApiKey, Conversation, KeyVerdict, Message, Person, Robot
from portal.models import ServiceNumber
from tests import factories

MODELS = [ApiKey, Conversation, KeyVerdict, Message, Person, Robot]


@pytest.fixture
def office(client: Client, db: None) -> Client:
    client.force_login(factories.user("root@example.org", is_superuser=True, is_staff=True))
    return client


@pytest.fixture
def lived_in(number: ServiceNumber) -> ServiceNumber:
    key = factories.key(number, "https://llm.example.com/v1", "sk-canary-1234567890-wxyz")
    key.take_verdict("invalid", "The provider said 401.")
    message = factories.message(number, "What a person asked")
    settlement.cancel(message)
    Message.objects.update(answer="What was answered", comment="What was thought of it")
    Conversation.objects.update(title="What a person")
    return number


def url(model: type, page: str, *args: object) -> str:
    return reverse(f"admin:bots_{model._meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_it_only_shows(office, lived_in, model):
    row = model.objects.get()
    assert office.get(url(model, "change", row.pk)).status_code == 200
    assert office.post(url(model, "add"), {}).status_code == 403
    assert office.post(url(model, "change", row.pk), {}).status_code == 403
    assert office.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("who", ["alice", "charlie", "moderator"])
def test_it_is_closed_to_whoever_is_no_staff(client, request, lived_in, model, who):
    client.force_login(request.getfixturevalue(who))
    assert client.get(url(model, "changelist")).status_code == 302


@pytest.mark.parametrize("model", [Conversation, Message])
def test_it_tells_of_conversations_without_what_was_said(office, lived_in, model):
    row = model.objects.get()
    listed = office.get(url(model, "changelist")).content.decode()
    shown = office.get(url(model, "change", row.pk)).content.decode()
    assert row.pk in listed
    assert row.pk in shown
    assert "What " not in listed + shown


def test_it_shows_the_health_of_a_key_by_its_host(office, lived_in):
    key = ApiKey.objects.get()
    shown = office.get(url(ApiKey, "change", key.pk)).content.decode()
    assert "llm.example.com" in shown
    assert "wxyz" not in shown
    assert key.sealed not in shown


def test_it_shows_the_prompt_to_whoever_keeps_the_platform(office, lived_in):
    assert "Be brief." in office.get(url(Robot, "change", lived_in.pk)).content.decode()
