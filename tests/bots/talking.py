"""The chat page for tests: its addresses, and what a page or its script sends."""

from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from bots import people
from bots.models import Message, Robot
from portal.models import ServiceNumber, State, User
from tests import factories

SCRIPT = {"HX-Request": "true"}


def page(made: ServiceNumber) -> str:
    return reverse("chat", args=[made.handle])


def of(name: str, message: Message) -> str:
    """The address of the named route for this message."""
    return reverse(name, args=[message.number.handle, message.pk])


def conversation_page(message: Message) -> str:
    return reverse("chat-conversation", args=[message.number.handle, message.conversation_id])


def ask(client: Client, made: ServiceNumber, text: str = "Hello?", **fields: Any) -> HttpResponse:
    """As a form without script sends it."""
    return client.post(reverse("chat-ask", args=[made.handle]), {"message": text} | fields)


def ask_by_script(
    client: Client, made: ServiceNumber, text: str = "Hello?", **fields: Any
) -> HttpResponse:
    address = reverse("chat-ask", args=[made.handle])
    return client.post(address, {"message": text} | fields, headers=SCRIPT)


def open_to_guests(made: ServiceNumber) -> ServiceNumber:
    Robot.objects.filter(number=made).update(guests_allowed=True)
    return made


def in_state(made: ServiceNumber, state: State) -> ServiceNumber:
    ServiceNumber.objects.filter(pk=made.pk).update(state=state)
    made.refresh_from_db()
    return made


def asked_by(user: User, made: ServiceNumber, text: str = "Hello?", **fields: Any) -> Message:
    """The user's own unanswered question, in the web's channel unless another is named."""
    given = {"open_id": people.of_user(made, user).open_id, "channel": "web"} | fields
    return factories.message(made, text, **given)
