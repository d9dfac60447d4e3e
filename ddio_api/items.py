"""Feed items as they leave: names and shapes of the contract, built from rows."""

from datetime import UTC, datetime
from typing import Any

from bots import faults
from bots.entries import Entry
from bots.models import Conversation, Kind, Message, Status

# What a tombstone says in the feed: its words are gone, its place stays.
ERASED = {"comment": "", "erased": True}


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if moment is None:
        return None
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"  # instead of +00:00


def _error(entry: Entry) -> dict[str, Any] | None:
    if entry.error_code is None:
        return None
    return {"code": entry.error_code, "msg": str(faults.FAULTS[entry.error_code].message)}


def _usage(entry: Entry) -> dict[str, int] | None:
    if entry.prompt_tokens is None or entry.completion_tokens is None:
        return None
    return {
        "promptTokens": entry.prompt_tokens,
        "completionTokens": entry.completion_tokens,
        "totalTokens": entry.prompt_tokens + entry.completion_tokens,
    }


def _latency(entry: Entry) -> int | None:
    if entry.answered_at is None:
        return None
    return round((entry.answered_at - entry.asked_at).total_seconds() * 1000)


def answer_item(answer: Message | Entry) -> dict[str, Any]:
    """The answer item, or its tombstone; of a message, it expects `message.person` to be loaded."""
    entry = answer if isinstance(answer, Entry) else Entry.of(answer)
    item = {
        "kind": Kind.ANSWER.value,
        "messageID": entry.message_id,
        "conversationID": entry.conversation_id,
        "openID": entry.open_id,
        "channel": entry.channel,
        "question": entry.question,
        "answer": entry.answer,
        "model": entry.model,
        "status": entry.status,
        "error": _error(entry),
        "rating": entry.rating or None,
        "comment": entry.comment,
        "askedAt": timestamp(entry.asked_at),
        "answeredAt": timestamp(entry.answered_at),
        "latencyMs": _latency(entry),
        "usage": _usage(entry),
        "seq": entry.seq,
    }
    return item | {"question": None, "answer": None} | ERASED if entry.erased else item


def rating_item(entry: Entry) -> dict[str, Any]:
    item = {
        "kind": Kind.RATING.value,
        "seq": entry.seq,
        "messageID": entry.message_id,
        "conversationID": entry.conversation_id,
        "openID": entry.open_id,
        "rating": entry.rating or None,
        "comment": entry.comment,
        "ratedAt": timestamp(entry.at),
    }
    return item | ERASED if entry.erased else item


def feed_item(entry: Entry) -> dict[str, Any]:
    return rating_item(entry) if entry.kind == Kind.RATING else answer_item(entry)


def conversation_item(conversation: Conversation) -> dict[str, Any]:
    """Expects `conversation.person` to be loaded."""
    return {
        "conversationID": conversation.pk,
        "openID": conversation.person.open_id,
        "title": conversation.title,
        "startedAt": timestamp(conversation.started_at),
        "lastAt": timestamp(conversation.last_at),
    }


def accepted(entry: Entry) -> dict[str, Any]:
    return {
        "messageID": entry.message_id,
        "conversationID": entry.conversation_id,
        "status": Status(entry.status).value,
    }
