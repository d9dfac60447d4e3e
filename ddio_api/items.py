"""Feed items as they leave: names and shapes of the contract, built from rows."""

from datetime import UTC, datetime
from typing import Any

from bots import faults
from bots.models import Conversation, FeedEntry, Kind, Message, Status

# What a tombstone says in the feed: its words are gone, its place stays.
ERASED = {"comment": "", "erased": True}


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if moment is None:
        return None
    utc = moment.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(message: Message) -> dict[str, Any] | None:
    if message.error_code is None:
        return None
    return {"code": message.error_code, "msg": str(faults.FAULTS[message.error_code].message)}


def _usage(message: Message) -> dict[str, int] | None:
    if message.prompt_tokens is None or message.completion_tokens is None:
        return None
    return {
        "promptTokens": message.prompt_tokens,
        "completionTokens": message.completion_tokens,
        "totalTokens": message.prompt_tokens + message.completion_tokens,
    }


def _latency(message: Message) -> int | None:
    if message.answered_at is None:
        return None
    return round((message.answered_at - message.asked_at).total_seconds() * 1000)


def answer_item(message: Message) -> dict[str, Any]:
    """The answer item, or its tombstone; expects `message.person` to be loaded."""
    item = {
        "kind": Kind.ANSWER.value,
        "messageID": message.pk,
        "conversationID": message.conversation_id,
        "openID": message.person.open_id,
        "channel": message.channel,
        "question": message.question,
        "answer": message.answer if message.is_settled else None,
        "model": message.model,
        "status": message.status,
        "error": _error(message),
        "rating": message.rating or None,
        "comment": message.comment,
        "askedAt": timestamp(message.asked_at),
        "answeredAt": timestamp(message.answered_at),
        "latencyMs": _latency(message),
        "usage": _usage(message),
        "seq": message.seq,
    }
    return item | {"question": None, "answer": None} | ERASED if message.erased_at else item


def rating_item(entry: FeedEntry) -> dict[str, Any]:
    item = {
        "kind": Kind.RATING.value,
        "seq": entry.seq,
        "messageID": entry.message_id,
        "conversationID": entry.message.conversation_id,
        "openID": entry.message.person.open_id,
        "rating": entry.rating or None,
        "comment": entry.comment,
        "ratedAt": timestamp(entry.at),
    }
    return item | ERASED if entry.message.erased_at else item


def feed_item(entry: FeedEntry) -> dict[str, Any]:
    return rating_item(entry) if entry.kind == Kind.RATING else answer_item(entry.message)


def conversation_item(conversation: Conversation) -> dict[str, Any]:
    """Expects `conversation.person` to be loaded."""
    return {
        "conversationID": conversation.pk,
        "openID": conversation.person.open_id,
        "title": conversation.title,
        "startedAt": timestamp(conversation.started_at),
        "lastAt": timestamp(conversation.last_at),
    }


def accepted(message: Message) -> dict[str, Any]:
    return {
        "messageID": message.pk,
        "conversationID": message.conversation_id,
        "status": Status(message.status).value,
    }
