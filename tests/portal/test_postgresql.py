"""A pooled connection is good while it is silent; one that the server closed is given to nobody."""

import socket
from collections.abc import Iterator

import pytest
from django.db import connection

from portal.postgresql.base import is_silent

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite closes no connections"
)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_connection_with_nothing_to_say_is_good(ends):
    assert is_silent(ends[0])


def test_a_goodbye_is_heard(ends):
    ends[1].send(b"E")
    assert not is_silent(ends[0])


def test_a_closed_end_is_noticed(ends):
    ends[1].close()
    assert not is_silent(ends[0])


def ask(sql: str, *parameters: object) -> object:
    """In a request's manner: the connection goes back to the pool afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        answer = cursor.fetchone()[0]
    connection.close()
    return answer


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_closed_is_replaced():
    before = ask("SELECT pg_backend_pid()")
    with connection._nodb_cursor() as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    assert ask("SELECT pg_backend_pid()") != before
