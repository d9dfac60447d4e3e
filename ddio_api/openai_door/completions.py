"""Completions and their chunks, built from rows in the shapes of OpenAI's reference."""

import json
from dataclasses import dataclass
from typing import Any

from bots.models import Message, Status

DONE = b"data: [DONE]\n\n"


def event(data: Any) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


@dataclass(frozen=True)
class Head:
    """What an answer is called, whole or in chunks: its id is the messageID of the feed."""

    id: str
    created: int
    model: str

    def whole(self, message: Message) -> dict[str, Any]:
        said = {"role": "assistant", "content": message.answer or "", "refusal": None}
        choice = {"index": 0, "message": said, "logprobs": None}
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": message.model or self.model,
            "choices": [choice | {"finish_reason": finish_reason(message)}],
            "usage": usage(message),
        }

    def chunk(self, choices: list[dict[str, Any]], counted: dict[str, Any]) -> bytes:
        head = {"id": self.id, "object": "chat.completion.chunk", "created": self.created}
        return event(head | {"model": self.model, "choices": choices} | counted)


def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]


def finish_reason(message: Message) -> str:
    """An answer that was stopped is no whole answer: `length` is the word that clients know."""
    if message.status == Status.CANCELLED:
        return "length"
    return message.finish_reason or "stop"


def usage(message: Message) -> dict[str, int] | None:
    """What the provider counted; None where it did not tell."""
    if message.prompt_tokens is None or message.completion_tokens is None:
        return None
    return {
        "prompt_tokens": message.prompt_tokens,
        "completion_tokens": message.completion_tokens,
        "total_tokens": message.prompt_tokens + message.completion_tokens,
    }
