"""Every route as everybody: the table in `routes_by_role.py`, held against the site."""

import re
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.models import User
from tests import routes
from tests.browser import scene
from tests.portal.routes_by_role import (
    ADMIN,
    ALLOWED_LEAKS,
    API,
    CHAT_BY_STATE,
    ROLES,
    TABLE,
    Row,
)

LOGIN = "/accounts/login/?next="
# What a GET may write: that somebody was there.
OF_NO_MATTER = re.compile(r'(?i)^(INSERT INTO|UPDATE|DELETE FROM) "(django_session|usersessions_)')
NOTHING = Row("", "")
WRITES = re.compile(r"(?i)^(INSERT|UPDATE|DELETE)")


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker) -> Iterator[dict[str, str]]:
    """The scene, built once; every request is undone afterwards."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield scene.build()
        transaction.set_rollback(True)


def client_of(role: str, **options: bool) -> Client:
    client = Client(raise_request_exception=False, **options)
    if role != "anonymous":
        client.force_login(User.objects.get(email=scene.email_of(role)))
    return client


def path_of(name: str, row: Row, made: dict[str, str]) -> str:
    return reverse(name, kwargs={key: made.get(word, word) for key, word in row.arguments.items()})


def answer(role: str, method: str, path: str, row: Row = NOTHING) -> HttpResponse:
    """The answer to one request, whose effects are undone."""
    with transaction.atomic():
        client = client_of(role)
        act = client.post if method == "POST" else client.get
        response = act(path, row.body if method == "POST" else None, headers=row.headers)
        transaction.set_rollback(True)
    return response


def word(response: HttpResponse) -> str:
    to_login = response.get("Location", "").startswith(LOGIN)
    return "login" if to_login else str(response.status_code)


def words(made: dict[str, str], name: str, method: str) -> str:
    row = TABLE[name]
    path = path_of(name, row, made)
    return " ".join(word(answer(role, method, path, row)) for role in ROLES)


def leaks(response: HttpResponse) -> set[str]:
    content = "" if response.streaming else response.content.decode(errors="replace")
    return {name for name, canary in scene.CANARIES.items() if canary in content}


@pytest.mark.django_db  # one must say so, or pytest-django makes no database for the others
def test_every_route_has_a_row():
    ours = {name for name in routes.names() if not name.startswith(ADMIN)}
    assert ours == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_reading_is_for_those_whom_the_table_names(made, name):
    assert words(made, name, "GET") == TABLE[name].get


@pytest.mark.parametrize("name", TABLE)
def test_changing_is_for_those_whom_the_table_names(made, name):
    assert words(made, name, "POST") == TABLE[name].post


@pytest.mark.parametrize("name", TABLE)
def test_no_answer_tells_others_what_is_alices(made, name):
    row = TABLE[name]
    path = path_of(name, row, made)
    told = {
        (role, method): leaks(answer(role, method, path, row))
        - ALLOWED_LEAKS.get((name, role), set())
        for role in ROLES
        if role != "alice"
        for method in ("GET", "POST")
    }
    assert {cell: found for cell, found in told.items() if found} == {}


@pytest.mark.parametrize("name", TABLE)
def test_reading_changes_nothing(made, name):
    path = path_of(name, TABLE[name], made)
    client = client_of("alice")
    with CaptureQueriesContext(connection) as captured:
        client.get(path, headers=TABLE[name].headers)
    # None: one that Django could not show with its values, as it can all that it composes itself.
    said = [query["sql"] for query in captured if query["sql"] is not None]
    written = [sql for sql in said if WRITES.match(sql)]
    assert [sql for sql in written if not OF_NO_MATTER.match(sql)] == []


@pytest.mark.parametrize("name", [name for name in TABLE if name not in API])
def test_a_change_from_another_site_is_refused(made, name):
    row = TABLE[name]
    response = client_of("alice", enforce_csrf_checks=True).post(path_of(name, row, made), row.body)
    assert response.status_code == 403


@pytest.mark.parametrize("state", CHAT_BY_STATE)
def test_the_chat_is_open_to_those_whom_the_numbers_state_admits(made, state):
    path = reverse("chat", args=[made[f"{state}.handle"]])
    assert " ".join(word(answer(role, "GET", path)) for role in ROLES) == CHAT_BY_STATE[state][0]


@pytest.mark.parametrize("state", CHAT_BY_STATE)
@pytest.mark.parametrize(
    ("name", "argument", "status"),
    [
        ("chat-conversation", "conversation", "200"),
        ("chat-message", "message", "303"),  # to its conversation, for those without scripts
        ("chat-stream", "message", "200"),
    ],
)
def test_a_conversation_is_its_persons_alone(made, state, name, argument, status):
    path = reverse(name, args=[made[f"{state}.handle"], made[f"{state}.{argument}"]])
    expected = CHAT_BY_STATE[state][1].replace("200", status)
    assert " ".join(word(answer(role, "GET", path)) for role in ROLES) == expected


def admin_routes() -> list[str]:
    return [name for name in routes.names() if name.startswith(ADMIN)]


ARGUMENTS_OF_ADMIN = {
    "admin:view_on_site": ["1", "1"],
    "admin:app_list": ["portal"],
}


def admin_path(name: str) -> str:
    if name in ARGUMENTS_OF_ADMIN:
        return reverse(name, args=ARGUMENTS_OF_ADMIN[name])
    of_a_row = name.count("_") > 1 and name.endswith(("_change", "_delete", "_history"))
    return reverse(name, args=["1"] if of_a_row else [])


@pytest.mark.parametrize("name", admin_routes())
@pytest.mark.parametrize("role", ["anonymous", "charlie", "alice", "moderator"])
def test_the_admin_is_for_administrators(made, name, role):
    statuses = {answer(role, method, admin_path(name)).status_code for method in ("GET", "POST")}
    assert statuses <= {302, 403, 404, 405}


@pytest.mark.parametrize("name", admin_routes())
def test_the_admin_never_breaks_for_an_administrator(made, name):
    assert answer("administrator", "GET", admin_path(name)).status_code < 500
