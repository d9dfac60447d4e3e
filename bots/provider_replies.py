"""What a provider answers, read with caution: its stream of events, its counts, its lists."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeGuard

from django.conf import settings

from bots.provider_faults import NO_FINISH, AnswerTooLongError, UnreadableReplyError, clean

TOKENS_AT_MOST = 1_000_000_000  # a count beyond this is a provider's bug, and no database's integer
MODELS_AT_MOST = 2000
# What providers call what their models think aloud.
THOUGHTS = frozenset({"reasoning_content", "reasoning", "reasoning_text", "thinking"})


@dataclass(frozen=True)
class Usage:
    """What the provider counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True)
class Thought:
    """What the model said to itself on the way to its answer."""

    text: str


class Reply:
    """What has come of an answer so far, and until when the next piece of it may take."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._first_by = self._loop.time() + settings.FIRST_TOKEN_SECONDS
        self._ends_by = self._loop.time() + settings.ANSWER_SECONDS
        self._has_begun = False
        self._characters = 0
        self.is_finished = False
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.thought = ""  # in the event that was taken last

    @property
    def has_spoken(self) -> bool:
        return self._characters > 0

    def deadline(self) -> AbstractAsyncContextManager[asyncio.Timeout]:
        next_by = self._first_by
        if self._has_begun:
            next_by = self._loop.time() + settings.BETWEEN_TOKENS_SECONDS
        return asyncio.timeout_at(min(next_by, self._ends_by))

    def take(self, event: object) -> str:
        """The text that the event adds. Raises UnreadableReplyError and AnswerTooLongError."""
        if not isinstance(event, dict):
            raise UnreadableReplyError("the stream holds an event that is no object")
        self.thought = ""
        self.usage = _usage(event.get("usage")) or self.usage
        choices = event.get("choices")
        if not choices or self.is_finished:
            return ""
        choice, delta = _first_choice(choices)
        self.finish_reason = str(choice.get("finish_reason") or "")
        self.is_finished = bool(self.finish_reason)
        # A model that thinks aloud, in whatever field, has begun; one that names its role has not.
        self._has_begun |= any(value for name, value in delta.items() if name != "role")
        self.thought = _thought(delta)
        return self._text(delta.get("content") or delta.get("refusal") or "")

    def _text(self, content: object) -> str:
        if not isinstance(content, str):
            raise UnreadableReplyError("the stream holds content that is no text")
        text = clean(content)
        self._characters += len(text)
        if self._characters > settings.ANSWER_CHARACTERS_AT_MOST:
            self.is_finished = False
            raise AnswerTooLongError("the answer has too many characters")
        return text

    def check_finished(self, media_type: str) -> None:
        """Raises UnreadableReplyError; the media type tells a page from a stream that broke."""
        if not self.is_finished:
            raise UnreadableReplyError(f"{NO_FINISH}: {media_type[:60]}")


def _thought(delta: dict[str, Any]) -> str:
    """Some name it twice, for two kinds of clients."""
    thoughts = [value for name, value in delta.items() if name in THOUGHTS]
    return max((each for each in thoughts if isinstance(each, str)), key=len, default="")


def _first_choice(choices: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choice and its delta; raises UnreadableReplyError."""
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise UnreadableReplyError("the stream holds choices that are none")
    delta = choices[0].get("delta") or {}
    if not isinstance(delta, dict):
        raise UnreadableReplyError("the stream holds a delta that is none")
    return choices[0], delta


def _usage(counts: object) -> Usage | None:
    if not isinstance(counts, dict):
        return None
    names = ("prompt_tokens", "completion_tokens")
    prompt, completion = (counts.get(name) for name in names)
    total = counts.get("total_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    return Usage(prompt, completion, total if _is_count(total) else prompt + completion)


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= TOKENS_AT_MOST


def model_names(page: object) -> list[str]:
    rows = page.get("data") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        return []
    names = [row.get("id") for row in rows[:MODELS_AT_MOST] if isinstance(row, dict)]
    return [clean(name)[:200] for name in names if isinstance(name, str)]
