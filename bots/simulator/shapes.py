"""The JSON of OpenAI's chat completions."""

import json
import time
from typing import Any

ANSWER_ID = "chatcmpl-simulated"


def event_bytes(content: Any) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    return f"data: {text}\n\n".encode()


def _head(kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    head = {"id": ANSWER_ID, "object": kind, "created": int(time.time())}
    return head | {"model": asked.get("model")}


def chunk(
    asked: dict[str, Any], delta: dict[str, Any], finish: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _head("chat.completion.chunk", asked) | {"choices": [choice]}


def usage_chunk(asked: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    usage = {"choices": [], "usage": count(asked, pieces)}
    return _head("chat.completion.chunk", asked) | usage


def completion(asked: dict[str, Any], pieces: list[str], finish: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return _head("chat.completion", asked) | {"choices": [choice]}


def count(asked: dict[str, Any], pieces: list[str]) -> dict[str, int]:
    """Four tokens and one for each word of a turn, one for each piece of the answer."""
    prompt = sum(4 + len(str(turn.get("content")).split()) for turn in turns(asked))
    answer = len(pieces)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def has_text(event: Any) -> bool:
    """Whether it is a piece of an answer."""
    choices = event.get("choices") if isinstance(event, dict) else None
    return bool(choices and choices[0]["delta"].get("content"))


def turns(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages, and of what is no message none: anybody may send anything."""
    messages = asked.get("messages")
    return (
        [turn for turn in messages if isinstance(turn, dict)] if isinstance(messages, list) else []
    )


def moderation(*, is_flagged: bool) -> dict[str, Any]:
    categories = {"harassment": is_flagged, "violence": False}
    scores = {name: float(holds) for name, holds in categories.items()}
    result = {"flagged": is_flagged, "categories": categories, "category_scores": scores}
    return {"id": "modr-simulated", "model": "simulated-moderation", "results": [result]}
