"""A fake OpenAI-compatible provider, in a thread of a test or as a process of its own.

    python tests/upstream.py --port 9100

What it does is chosen by the *model* of the request (see `BEHAVIOURS`; any other name echoes) and
by the API key: one that begins with `sk-bad` is refused, and quoted in the refusal as some
providers do; one that begins with `sk-nolist` is told that there is no list of models. It counts
chat calls by `X-Request-ID`: `GET /calls`, `POST /reset`. Of Authorization headers it keeps the
SHA-256 alone.
"""

import argparse
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

BAD_KEY = ("sk-bad", 401, "Incorrect API key provided")
LISTLESS_KEY = ("sk-nolist", 404, "There is no list for")
MODELS = ["echo", "slow", "instant"]
SLOW_SECONDS = 0.2
BRISK_SECONDS = 0.06
DRIP_SECONDS = 0.05
HANG_SECONDS = 600
HUGE_BYTES = 100 * 1024 * 1024


class ClientGoneError(Exception):
    """The caller closed the connection before it had its answer."""


class Ledger:
    """What the upstream saw."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._keys: Counter[str] = Counter()
            self._total = self._aborted = 0
            self._last: dict[str, Any] = {}

    def call(self, handler: "Handler") -> None:
        digest = hashlib.sha256(handler.headers.get("Authorization", "").encode()).hexdigest()
        with self._lock:
            self._total += 1
            self._keys[digest] += 1
            self._last = {"body": handler.asked, "headers": sorted(map(str.lower, handler.headers))}
            if request_id := handler.headers.get("X-Request-ID"):
                self._counts[request_id] += 1

    def abort(self) -> None:
        with self._lock:
            self._aborted += 1

    def as_json(self) -> dict[str, Any]:
        """`keys`: calls by digest of the Authorization header; `last`: the newest request."""
        with self._lock:
            counted = {"counts": dict(self._counts), "keys": dict(self._keys)}
            return counted | {"total": self._total, "aborted": self._aborted, "last": self._last}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, port: int = 0, models: list[str] | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.ledger = Ledger()
        self.models = MODELS if models is None else models

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that leave are what the tests are about; they need no traceback."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server
    asked: dict[str, Any]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's name)
        """Nothing: request lines and headers are nobody's business."""

    def do_GET(self) -> None:
        doors = {"/calls": self.tell_calls, "/v1/models": self.list_models}
        doors.get(self.path, self.know_nothing)()

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        doors = {"/reset": self.server.ledger.reset, "/v1/chat/completions": self.complete}
        doors.get(self.path, self.know_nothing)()
        if self.path == "/reset":
            self.answer_json({})

    def know_nothing(self) -> None:
        self.refuse(404, "no such path", "not_found")

    def tell_calls(self) -> None:
        self.answer_json(self.server.ledger.as_json())

    def refuses_key(self, prefix: str, status: int, message: str) -> bool:
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if key and not key.startswith(prefix):
            return False
        self.refuse(status, f"{message}: {key}.", "invalid_api_key")
        return True

    def list_models(self) -> None:
        rows = [{"id": name, "object": "model", "owned_by": "tests"} for name in self.server.models]
        if not self.refuses_key(*BAD_KEY) and not self.refuses_key(*LISTLESS_KEY):
            self.answer_json({"object": "list", "data": rows})

    def complete(self) -> None:
        self.server.ledger.call(self)
        if self.refuses_key(*BAD_KEY):
            return
        behave = BEHAVIOURS.get(str(self.asked.get("model")), echo)
        try:
            behave(self)
        except (ClientGoneError, BrokenPipeError, ConnectionResetError):
            self.server.ledger.abort()
            self.close_connection = True

    def answer(self, content: bytes, content_type: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Request-ID", "req_of_the_upstream")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def answer_json(self, content: Any, status: int = 200, **headers: str) -> None:
        self.answer(json.dumps(content).encode(), "application/json", status, **headers)

    def refuse(self, status: int, message: str, code: str, **headers: str) -> None:
        error = {"message": message, "type": code, "param": None, "code": code}
        self.answer_json({"error": error}, status, **headers)

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send_bytes(self, content: bytes) -> None:
        """One chunk of a started stream."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def send_event(self, content: Any) -> None:
        self.send_bytes(event_bytes(content))

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def pause(self, seconds: float) -> None:
        """Sleep, and notice at once when the caller leaves. Raises ClientGoneError."""
        self.connection.settimeout(seconds)
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise ClientGoneError
        except TimeoutError:
            pass
        finally:
            self.connection.settimeout(None)

    def give(
        self, pieces: list[str], pause: float = 0.0, *, usage: bool = True, finish: str = "stop"
    ) -> None:
        """The whole answer in the form that was asked for."""
        if not self.asked.get("stream"):
            self.answer_json(completion(self.asked, pieces))
            return
        self.start_stream()
        self.send_event(chunk(self.asked, {"role": "assistant", "content": ""}))
        for piece in pieces:
            if pause:
                self.pause(pause)
            self.send_event(chunk(self.asked, {"content": piece}))
        self.send_event(chunk(self.asked, {}, finish=finish))
        if usage and (self.asked.get("stream_options") or {}).get("include_usage"):
            counted = chunk(self.asked, {}) | {"choices": [], "usage": count(self.asked, pieces)}
            self.send_event(counted)
        self.send_event("[DONE]")
        self.end_stream()


def event_bytes(content: Any) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    return f"data: {text}\n\n".encode()


def chunk(
    asked: dict[str, Any], delta: dict[str, Any], finish: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": int(time.time())}
    return head | {"model": asked.get("model"), "choices": [choice]}


def count(asked: dict[str, Any], pieces: list[str]) -> dict[str, int]:
    prompt = sum(4 + len(str(turn.get("content")).split()) for turn in asked.get("messages", []))
    answer = len(pieces)
    totals = {"prompt_tokens": prompt, "completion_tokens": answer}
    return totals | {"total_tokens": prompt + answer}


def completion(asked: dict[str, Any], pieces: list[str]) -> dict[str, Any]:
    message = {"role": "assistant", "content": "".join(pieces)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "chatcmpl-test", "object": "chat.completion", "created": int(time.time())}
    return head | {"model": asked.get("model"), "choices": [choice], "usage": count(asked, pieces)}


# Behaviours -----------------------------------------------------------------------------------

Behaviour = Callable[[Handler], None]


def echo(handler: Handler, pause: float = 0.0) -> None:
    turns = [turn for turn in handler.asked.get("messages", []) if turn.get("role") == "user"]
    text = f"You said: {turns[-1]['content'] if turns else ''}"
    size = -(-len(text) // 5)
    handler.give([text[at : at + size] for at in range(0, len(text), size)], pause)


def brisk(handler: Handler) -> None:
    """An echo that takes about as long as a quick model."""
    echo(handler, BRISK_SECONDS)


def slow(handler: Handler) -> None:
    handler.give([f"{number} " for number in range(1, 41)], SLOW_SECONDS)


def drip(handler: Handler) -> None:
    """An answer that never stops to come, a byte at a time."""
    handler.start_stream()
    for byte in event_bytes(chunk(handler.asked, {"content": "ok"})) * 100:
        handler.send_bytes(bytes([byte]))
        handler.pause(DRIP_SECONDS)


def reset(handler: Handler) -> None:
    """A TCP reset before the first byte of an answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True


def stalling(*words: str) -> Behaviour:
    """The headers and these words, and then nothing."""

    def behave(handler: Handler) -> None:
        handler.start_stream()
        for word in words:
            handler.send_event(chunk(handler.asked, {"content": word}))
        handler.pause(HANG_SECONDS)

    return behave


def pouring(head: bytes, content: bytes) -> Behaviour:
    """The same content again and again, up to HUGE_BYTES."""

    def behave(handler: Handler) -> None:
        handler.start_stream()
        handler.send_bytes(head)
        for _number in range(HUGE_BYTES // len(content)):
            handler.send_bytes(content)
        handler.end_stream()

    return behave


def giving(*pieces: str, usage: bool = True, finish: str = "stop") -> Behaviour:
    return lambda handler: handler.give(list(pieces), usage=usage, finish=finish)


def breaking_off(*events: Any, in_order: bool = True) -> Behaviour:
    """A first piece of text, these events, and the end of the stream, in order or torn off."""

    def behave(handler: Handler) -> None:
        handler.start_stream()
        handler.send_event(chunk(handler.asked, {"content": "You sa"}))
        for event in events:
            handler.send_event(event)
        if in_order:
            handler.end_stream()
        handler.close_connection = True

    return behave


def answering(content: bytes, content_type: str, status: int = 200, **headers: str) -> Behaviour:
    return lambda handler: handler.answer(content, content_type, status, **headers)


def refusing(status: int, message: str, code: str, **headers: str) -> Behaviour:
    return lambda handler: handler.refuse(status, message, code, **headers)


def refusing_field(name: str, message: str) -> Behaviour:
    def behave(handler: Handler) -> None:
        if name in handler.asked:
            handler.refuse(400, message, "invalid_request_error")
        else:
            handler.give(["ok"])

    return behave


OVERLOADED = {"error": {"message": "The engine is overloaded", "type": "server_error"}}
BEHAVIOURS: dict[str, Behaviour] = {
    "echo": echo,
    "brisk": brisk,
    "slow": slow,
    "instant": giving("ok"),
    "length": giving("Once upon", finish="length"),
    "filtered": giving("I", finish="content_filter"),
    "no-usage": giving("ok", usage=False),
    "nul": giving("a\0b", "\ud83d", "\ude00c"),
    "hang": stalling(),
    "stall": stalling("Well"),
    "drip": drip,
    "reset": reset,
    "cut": breaking_off(in_order=False),
    "no-finish": breaking_off("[DONE]"),
    "garbage": breaking_off("{this is no JSON"),
    "sse-error": breaking_off(OVERLOADED),
    "huge": pouring(b": much\n\n", event_bytes(chunk({}, {"content": "x" * 16_000}))),
    "huge-event": pouring(b"data: ", b"x" * 65536),
    "html": answering(b"<!doctype html><title>Welcome to our portal</title>", "text/html"),
    "compressed": answering(b"\x1f\x8b...", "application/json", Content_Encoding="gzip"),
    "redirect": answering(b"", "text/plain", 307, Location="/v1/elsewhere"),
    "refuse-stream-options": refusing_field("stream_options", "Unknown field: stream_options"),
    "refuse-max-tokens": refusing_field("max_tokens", "Use 'max_completion_tokens' instead."),
    "400": refusing(400, "This is not to our liking", "invalid_request_error"),
    "402": refusing(402, "Insufficient Balance", "unknown_error"),
    "403": refusing(403, "You have no access to this model", "permission_denied"),
    "404": refusing(404, "The model does not exist", "model_not_found"),
    "429": refusing(429, "Slow down", "rate_limit_exceeded", Retry_After="1"),
    "429-quota": refusing(429, "You exceeded your current quota", "insufficient_quota"),
    "500": refusing(500, "Something broke", "server_error"),
}


class Upstream:
    """A handle on a running upstream, in this process or another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/v1"

    def calls(self) -> dict[str, Any]:
        with urlopen(f"{self.root}/calls", timeout=5) as answer:
            content: dict[str, Any] = json.load(answer)
        return content

    def reset(self) -> None:
        with urlopen(Request(f"{self.root}/reset", method="POST"), timeout=5):
            pass


@contextmanager
def running_upstream(port: int = 0, models: list[str] | None = None) -> Iterator[Upstream]:
    server = Server(port, models)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Upstream(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible provider.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--models", nargs="*", default=MODELS)
    options = parser.parse_args()
    server = Server(options.port, options.models)
    print(f"Listening on http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever(0.05)


if __name__ == "__main__":
    main()
