"""A provider that costs next to nothing: `python -m bench.upstream PORT`.

An asyncio protocol on uvloop that looks for a few bytes in a request and answers with bytes that
were made before. The model of the request says when: `instant`, `hang` (never), and `after-10`
after so many seconds. `instant-20` answers at once, in so many pieces. It keeps when it was first
asked for each `X-Request-ID`: `GET /arrivals`.
"""

import asyncio
import json
import re
import sys
import time
from functools import cache

import uvloop

ANSWER = "ok "
_MODEL = re.compile(rb'"model":\s*"([a-z0-9-]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_REQUEST_ID = re.compile(rb"\r\nx-request-id:\s*([^\r]+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream":\s*true')

arrivals: dict[str, float] = {}


@cache
def streamed(pieces: int) -> bytes:
    events = [_event({"role": "assistant", "content": ""})]
    events += [_event({"content": ANSWER})] * pieces
    events += [_event({}, "stop"), _data({**_head(True), "choices": [], "usage": _usage(pieces)})]
    chunks = [b"%x\r\n%s\r\n" % (len(event), event) for event in [*events, b"data: [DONE]\n\n"]]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    return head + b"transfer-encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"


@cache
def plain(pieces: int) -> bytes:
    message = {"role": "assistant", "content": ANSWER * pieces}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _json({**_head(False), "choices": [choice], "usage": _usage(pieces)})


def _head(is_chunk: bool) -> dict[str, object]:
    kind = "chat.completion.chunk" if is_chunk else "chat.completion"
    return {"id": "chatcmpl-bench", "object": kind, "created": 1_790_000_000, "model": "instant"}


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({**_head(True), "choices": [choice]})


def _data(content: object) -> bytes:
    return b"data: " + json.dumps(content).encode() + b"\n\n"


def _usage(pieces: int) -> dict[str, int]:
    return {"prompt_tokens": 5, "completion_tokens": pieces, "total_tokens": 5 + pieces}


def _json(content: object) -> bytes:
    body = json.dumps(content).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n%s" % (len(body), body)


class Door(asyncio.Protocol):
    """One connection; its requests come one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.received[: end + 2]
        length = _LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self.received) >= whole:
            body, self.received = self.received[end + 4 : whole], self.received[whole:]
            self.serve(head, body)

    def serve(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"POST"):
            listed = {"object": "list", "data": [{"id": "instant", "object": "model"}]}
            self.transport.write(_json(arrivals if b"/arrivals" in head else listed))
            return
        if request_id := _REQUEST_ID.search(head):
            arrivals.setdefault(request_id[1].decode(), time.time())
        model = _MODEL.search(body)
        name, _, figure = (model[1].decode() if model else "instant").partition("-")
        pieces = int(figure) if figure and name == "instant" else 1
        content = streamed(pieces) if _STREAM.search(body) else plain(pieces)
        if name == "after":
            asyncio.get_running_loop().call_later(int(figure), self.transport.write, content)
        elif name != "hang":
            self.transport.write(content)


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Door, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
