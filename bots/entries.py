"""Entries of the feed as plain values: one statement for a page, and no instance of a model.

The page is taken first, from the entries' own index, and only then what belongs to its entries:
so the statement costs the same wherever it stands in whatever feed, and the planner cannot begin
with the messages. Composed by Django and made into models, the same page costs four times as much.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from bots.models import Kind, Message
from portal import statements


class Entry(NamedTuple):
    """An answer, or what somebody said of one later: then `rating` and `comment` are that."""

    seq: int | None
    kind: str
    at: datetime | None
    rating: str
    comment: str
    message_id: str
    conversation_id: str
    open_id: str
    channel: str
    question: str
    answer: str | None
    model: str
    status: str
    error_code: int | None
    asked_at: datetime
    answered_at: datetime | None
    prompt_tokens: int | None
    completion_tokens: int | None
    erased: bool

    @classmethod
    def of(cls, message: Message) -> "Entry":
        """The same of one message, settled or not; expects `message.person` to be loaded."""
        return cls(
            seq=message.seq,
            kind=Kind.ANSWER,
            at=message.answered_at,
            rating=message.rating,
            comment=message.comment,
            message_id=message.pk,
            conversation_id=message.conversation_id,
            open_id=message.person.open_id,
            channel=message.channel,
            question=message.question,
            answer=message.answer if message.is_settled else None,
            model=message.model,
            status=message.status,
            error_code=message.error_code,
            asked_at=message.asked_at,
            answered_at=message.answered_at,
            prompt_tokens=message.prompt_tokens,
            completion_tokens=message.completion_tokens,
            erased=message.erased_at is not None,
        )


# Where each field comes from: `page` is the entry, `m` its message. The person's name is looked up
# row by row: in a join, a few thousand people would all be read for twenty of them.
_SOURCES = {
    "seq": "page.seq",
    "kind": "page.kind",
    "at": "page.at",
    "rating": "CASE page.kind WHEN 'rating' THEN page.rating ELSE m.rating END",
    "comment": "CASE page.kind WHEN 'rating' THEN page.comment ELSE m.comment END",
    "message_id": "page.message_id",
    "conversation_id": "m.conversation_id",
    "open_id": "(SELECT open_id FROM bots_person WHERE id = page.person_id)",
    "channel": "m.channel",
    "question": "m.question",
    "answer": "m.answer",
    "model": "m.model",
    "status": "m.status",
    "error_code": "m.error_code",
    "asked_at": "m.asked_at",
    "answered_at": "m.answered_at",
    "prompt_tokens": "m.prompt_tokens",
    "completion_tokens": "m.completion_tokens",
    "erased": "m.erased_at IS NOT NULL",
}
# As text and back by Python, which takes a tenth of what the databases' adapters take, and is the
# same for SQLite, which keeps text anyway.
_MOMENTS = {"at", "asked_at", "answered_at"}
_COLUMNS = ", ".join(
    f"CAST({_SOURCES[name]} AS text)" if name in _MOMENTS else _SOURCES[name]
    for name in Entry._fields
)
_AT, _ASKED_AT, _ANSWERED_AT = (
    Entry._fields.index(name) for name in ("at", "asked_at", "answered_at")
)
_STATEMENT = " ".join(
    [
        "WITH page AS MATERIALIZED",
        "(SELECT * FROM bots_feedentry WHERE {conditions} ORDER BY seq LIMIT %s)",
        *["SELECT", _COLUMNS, "FROM page"],
        "JOIN bots_message AS m ON m.id = page.message_id",
        "ORDER BY page.seq",
    ]
)


class Condition(NamedTuple):
    """A piece of SQL about a row of bots_feedentry, and its one parameter."""

    sql: str
    value: Any


def first(conditions: Sequence[Condition], limit: int) -> list[Entry]:
    """The entries that meet all the conditions, by `seq`, at most `limit` of them."""
    statement = _STATEMENT.format(conditions=" AND ".join(sql for sql, _value in conditions))
    values = [_adapted(value) for _sql, value in conditions]
    with connection.cursor() as cursor:  # planned anew: each page begins at another depth
        cursor.execute(statement, [*values, limit])
        return [_entry(row) for row in cursor.fetchall()]


# The same of one message, settled or not: its place in the feed is its own.
_OF_MESSAGE = " ".join(
    [
        "WITH page AS (SELECT id AS message_id, 'answer' AS kind, answered_at AS at, seq,",
        "'' AS rating, '' AS comment, person_id FROM bots_message WHERE id = %s)",
        *["SELECT", _COLUMNS, "FROM page JOIN bots_message AS m ON m.id = page.message_id"],
    ]
)


def of_message(message_id: str) -> Entry:
    """One message's entry, or what it will be once it is settled."""
    [row] = statements.rows(_OF_MESSAGE, [message_id])
    return _entry(row)


def _adapted(value: Any) -> Any:
    return statements.moment(value) if isinstance(value, datetime) else value


def _entry(row: Sequence[Any]) -> Entry:
    values = list(row)
    for index in (_AT, _ASKED_AT, _ANSWERED_AT):
        values[index] = values[index] and _moment(values[index])
    return Entry._make(values)


def _moment(text: str) -> datetime:
    """PostgreSQL names the zone, which is UTC here, SQLite means it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
