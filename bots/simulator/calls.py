"""One request to the simulator, and the ways in which a behaviour may answer it."""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import h11

from bots.simulator import shapes
from bots.simulator.ledger import Ledger, Tokens

REQUEST_ID = "req_of_the_simulator"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time at all


def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()


class Call:
    """A request with its body read. Whoever leaves early has the behaviour cancelled."""

    def __init__(
        self,
        http: h11.Connection,
        transport: asyncio.Transport,
        drain: Callable[[], Awaitable[None]],
        ledger: Ledger,
    ) -> None:
        self._http = http
        self._transport = transport
        self._drain = drain
        self.ledger = ledger
        self.asked: dict[str, Any] = {}
        self.id = ""
        self._has_begun = False
        self._pieces = 0

    def _send(self, event: h11.Event) -> None:
        self._transport.write(self._http.send(event) or b"")

    def used(self) -> Tokens:
        """What a provider would charge for: nothing before it begins to answer, then the question,
        and of the answer what it has sent.
        """
        if not self._has_begun:
            return Tokens(0, 0)
        return Tokens(shapes.count(self.asked, [])["prompt_tokens"], self._pieces)

    # An answer of one piece

    def answer(self, content: bytes, content_type: str, status: int = 200, **headers: str) -> None:
        head = [
            ("Content-Type", content_type),
            ("Content-Length", str(len(content))),
            ("X-Request-ID", REQUEST_ID),
            *((name.replace("_", "-"), value) for name, value in headers.items()),
        ]
        whole = (
            self._http.send(h11.Response(status_code=status, headers=head, reason=_reason(status)))
            or b""
        )
        if content:
            whole += self._http.send(h11.Data(data=content)) or b""
        self._transport.write(whole)
        self._send(h11.EndOfMessage())

    def answer_json(self, content: Any, status: int = 200, **headers: str) -> None:
        self.answer(json.dumps(content).encode(), "application/json", status, **headers)

    def refuse(self, status: int, message: str, code: str, **headers: str) -> None:
        error = {"message": message, "type": code, "param": None, "code": code}
        self.answer_json({"error": error}, status, **headers)

    # A stream

    def start_stream(self) -> None:
        self._has_begun = True
        head = [("Content-Type", "text/event-stream; charset=utf-8"), ("X-Request-ID", REQUEST_ID)]
        self._send(h11.Response(status_code=200, headers=head, reason=_reason(200)))

    def send_bytes(self, content: bytes) -> None:
        """One chunk of a started stream."""
        self._send(h11.Data(data=content))

    def send_event(self, content: Any) -> None:
        self._pieces += shapes.has_text(content)
        self.send_bytes(shapes.event_bytes(content))

    def end_stream(self) -> None:
        self._send(h11.EndOfMessage())

    async def drain(self) -> None:
        """Wait while the reader does not keep up."""
        await self._drain()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def give(
        self, pieces: list[str], pause: float = 0.0, *, usage: bool = True, finish: str = "stop"
    ) -> None:
        """The whole answer in the form that was asked for."""
        if not self.asked.get("stream"):
            pieces, finish = self._cut(pieces, finish)
            await self.pause(pause * len(pieces))
            self._has_begun, self._pieces = True, len(pieces)
            counted = {"usage": shapes.count(self.asked, pieces)} if usage else {}
            self.answer_json(shapes.completion(self.asked, pieces, finish) | counted)
            return
        self.start_stream()
        self.send_event(shapes.chunk(self.asked, {"role": "assistant", "content": ""}))
        for piece in pieces:
            if pause:
                await self.pause(pause)
            self.send_event(shapes.chunk(self.asked, {"content": piece}))
        self.send_event(shapes.chunk(self.asked, {}, finish=finish))
        options = self.asked.get("stream_options")
        if usage and isinstance(options, dict) and options.get("include_usage"):
            self.send_event(shapes.usage_chunk(self.asked, pieces))
        self.send_event("[DONE]")
        self.end_stream()

    def _cut(self, pieces: list[str], finish: str) -> tuple[list[str], str]:
        """As many pieces as there may be tokens: whoever wants one does not wait for all."""
        most = self.asked.get("max_completion_tokens", self.asked.get("max_tokens"))
        if type(most) is int and 0 < most < len(pieces):
            return pieces[:most], "length"
        return pieces, finish

    # The end of the connection

    def tear(self) -> None:
        """Close the connection without the end that the protocol asks for."""
        self._transport.close()

    def reset(self) -> None:
        """A TCP reset: whatever was not sent yet is lost too."""
        handle = self._transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(handle.fileno())) as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
