"""Statements composed by hand, for the few places where the ORM costs more than the work itself.

Both databases understand them: what only PostgreSQL needs (row locks) comes from here, because
SQLite has one writer at a time, and begins every transaction as that writer.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, transaction


def _cursor() -> Any:
    """For statements that PostgreSQL plans once and then knows; see `portal.postgresql`."""
    prepared = getattr(connection, "prepared_cursor", None)
    return prepared() if prepared else connection.cursor()


def rows(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run it; what it returns."""
    with _cursor() as cursor:
        cursor.execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def run_each(statement: str, values: Sequence[Sequence[Any]]) -> None:
    """Run it once for each of these, in one round trip where the database has such."""
    with _cursor() as cursor:
        if len(values) == 1:
            cursor.execute(statement, values[0])
        else:
            cursor.executemany(statement, values)


def turn() -> AbstractContextManager[None]:
    """For statements that write, each a transaction by itself: on SQLite they are one, which waits
    for its turn as a transaction does (`portal.sqlite`)."""
    return transaction.atomic() if connection.vendor == "sqlite" else nullcontext()


def among(column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """The condition that the column has one of these values, and its parameters.

    For PostgreSQL the list is one parameter: so many values or more, it is one statement to plan.
    """
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", [list(values)]
    return f"{column} IN ({', '.join(['%s'] * len(values))})", list(values)


def moment(at: datetime) -> Any:
    """The value for a column that holds a time."""
    return connection.ops.adapt_datetimefield_value(at)


def day(on: date) -> Any:
    """The value for a column that holds a date."""
    return connection.ops.adapt_datefield_value(on)


def aware(at: datetime | None) -> datetime | None:
    """A time as it was read; SQLite has UTC without saying so."""
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def locked(*, waiting: bool = True) -> str:
    """The clause that locks the rows of a SELECT, or, not `waiting`, passes over locked ones.

    It does not keep others from referring to the rows.
    """
    if connection.vendor != "postgresql":
        return ""
    return "FOR NO KEY UPDATE" if waiting else "FOR NO KEY UPDATE SKIP LOCKED"
