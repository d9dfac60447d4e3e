"""Rows for tests, each in its simplest sound form."""

from itertools import count
from typing import Any

from django.db import transaction
from django.utils import timezone

from bots import chat
from bots.models import ApiKey, Channel, KeyStatus, Message, Robot
from ddio_api.models import Call
from portal import app_records, credentials, moderation, numbers
from portal.models import ServiceNumber, State, User

_counter = count(1)


def user(email: str = "", **fields: Any) -> User:
    return User.objects.create_user(email or f"user{next(_counter)}@example.org", **fields)


def number(
    name: str = "", *, owner: User | None = None, state: str = State.APPROVED
) -> ServiceNumber:
    """A number in the given state, with a robot but no key."""
    made = numbers.create(owner or user(), name or f"Robot {next(_counter)}", actor=None)
    Robot.objects.create(number=made, model="echo", system_prompt="Be brief.")
    return made if state == State.DRAFT else put(made, state)


def put(made: ServiceNumber, state: str) -> ServiceNumber:
    """Move the number there, whoever may and wherever it was."""
    with transaction.atomic():
        ServiceNumber.objects.filter(pk=made.pk).update(state=state)
        app_records.changed(made.pk)
    made.refresh_from_db()
    return made


def suspended(made: ServiceNumber) -> ServiceNumber:
    moderation.move(made, moderation.SUSPEND, actor=None, reason="spam")
    return made


def secret(made: ServiceNumber) -> credentials.IssuedSecret:
    return credentials.issue(made, actor=None)


def key(
    made: ServiceNumber, base_url: str, api_key: str = "sk-good-1234567890", **fields: Any
) -> ApiKey:
    """A key that was found valid, without asking the provider."""
    bound = ApiKey(number=made, base_url=base_url, **{"status": KeyStatus.VALID, **fields})
    bound.seal(api_key)
    bound.save()
    return bound


def question(made: ServiceNumber, text: str = "Hello?", **fields: Any) -> chat.Question:
    given = {"open_id": "alice", "channel": Channel.DDIO} | fields
    return chat.Question(number=made, text=text, **given)


def message(made: ServiceNumber, text: str = "Hello?", **fields: Any) -> Message:
    """An accepted, unanswered question."""
    if "given" in fields:
        fields.setdefault("channel", Channel.OPENAI)
    return chat.ask(question(made, text, **fields))


def unsaved_call(made: ServiceNumber | None, **fields: Any) -> Call:
    given = {
        "number": made,
        "at": timezone.now(),
        "door": "ddio",
        "operation": "ddio-feed",
        "method": "GET",
        "status": 200,
        "code": 0,
        "outcome": "ok",
        "duration_ms": 7,
        "address": "203.0.113.7",
        "request_id": f"req_{next(_counter):08}",
    }
    return Call(**(given | fields))


def call(made: ServiceNumber | None, **fields: Any) -> Call:
    """A row of the call log."""
    found = unsaved_call(made, **fields)
    found.save()
    return found
