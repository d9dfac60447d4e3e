"""A pooled connection is asked whether it is still good only when it has something to say.

To ask each of them (CONN_HEALTH_CHECKS) costs a round trip on every request that needs the
database. But an idle connection is silent: what can be read from it is the server's goodbye, or the
end of the socket. What died without a word is found by the kernel's keep-alive, which the settings
make quick.
"""

import select
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg import Connection
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    pool: ConnectionPool[Any]

    def prepared_cursor(self) -> Any:
        """A cursor whose statements the server plans once and then knows by their text: parameters
        go apart from it. Django's own puts them into the text, and each one is new to the server.
        """
        self.ensure_connection()
        with self.wrap_database_errors:
            cursor = psycopg.Cursor(self.connection)
        return self._prepare_cursor(cursor)  # type: ignore[attr-defined]  # missing in its stubs

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        """One that the server has not closed meanwhile; raises what the pool raises."""
        connection: Connection[Any] = super().get_new_connection(conn_params)
        while self.pool and not is_silent(connection):
            connection.close()
            self.pool.putconn(connection)  # which makes another one in its place
            connection = super().get_new_connection(conn_params)
        return connection


def is_silent(connection: Connection[Any]) -> bool:
    """Whether there is nothing to be read from it, as it should be between two transactions."""
    waiting = select.poll()  # not select(), which knows no descriptors beyond 1023
    waiting.register(connection.fileno(), select.POLLIN)
    return not waiting.poll(0)
