"""A client of the OpenAI door for tests, and streams read to their end."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse

from ddio_api import tokens
from portal.hold import HeldStream, Instead
from portal.models import ServiceNumber
from tests import factories
from tests.conftest import DdioClient
from tests.ddio_api import conformance

PATIENCE_SECONDS = 10.0


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


@dataclass
class Streamed:
    """What came of a stream: another answer instead, or chunks, comments and an error."""

    response: HttpResponse
    chunks: list[dict[str, Any]] = field(default_factory=list)
    comments: int = 0
    is_done: bool = False

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.chunks[-1]["error"]
        return found

    @property
    def text(self) -> str:
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", [])]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    def take(self, piece: bytes) -> None:
        assert not self.is_done
        assert piece.endswith(b"\n\n")
        said = piece.decode().removesuffix("\n\n")
        if said.startswith(":"):
            self.comments += 1
        elif said == "data: [DONE]":
            self.is_done = True
        else:
            self.chunks.append(json.loads(said.removeprefix("data: ")))


async def told(held: HeldStream) -> Streamed:
    """What the bridge would send of it."""
    seen = Streamed(held)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for piece in held.pieces():
                seen.take(piece)
    except Instead as instead:
        assert not seen.chunks
        held.become(instead)
    return seen


class OpenAiClient(DdioClient):
    """As an official SDK would send it."""

    BASE = "/v1/"

    def ask(self, text: Any = "Hello?", key: str = "", **fields: Any) -> HttpResponse:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"model": "gpt-4o", "messages": [user(text)]} | fields
        return self.post("chat/completions", body, **headers)

    def hold(self, **fields: Any) -> HttpResponse:
        """The response before anybody waits for it."""
        key = fields.pop("key", "")
        body = {"model": "gpt-4o", "messages": [user("Hello?")]} | fields
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        return self._client.post("/v1/chat/completions", body, format="json", headers=headers)

    def stream(self, text: Any = "Hello?", key: str = "", **fields: Any) -> Streamed:
        held = self.ask(text, key, stream=True, **fields)
        if not isinstance(held, HeldStream):
            return Streamed(held)
        seen = asyncio.run(told(held))
        conformance.checked(held)
        return seen


def openai_client(made: ServiceNumber) -> OpenAiClient:
    issued = factories.secret(made)
    return OpenAiClient(tokens.issue(made.app_id, issued.row.generation)[0])
