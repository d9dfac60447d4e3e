"""The simulator's HTTP: one connection a protocol object, one call a task."""

import asyncio
import hashlib
import hmac
import json
from typing import Any, cast

import h11

from bots.simulator import shapes
from bots.simulator.behaviours import behaviour, catalogue
from bots.simulator.calls import Call
from bots.simulator.ledger import REMEMBERED, Ledger

BODY_BYTES_AT_MOST = 16 * 1024 * 1024
PIPELINED_BYTES_AT_MOST = 64 * 1024
BACKLOG = 4096

BAD_KEY = ("sk-bad", 401, "Incorrect API key provided")
BUSY_KEY = ("sk-busy", 429, "Too many requests with")
LISTLESS_KEY = ("sk-nolist", 404, "There is no list for")
KEYS_PLAYED_AT_MOST = 1_000
# Troubles of a model or a quota: of those a list of models says nothing.
OF_CALLS_ALONE = frozenset({"402", "403", "404", "429", "429-quota"})
FLAGGED = "flag-me"


class Simulator:
    """What all connections share. With a `key_digest` (SHA-256, hex) only that key is welcome."""

    def __init__(
        self,
        models: list[str] | None = None,
        *,
        key_digest: str = "",
        keeps_last: bool = False,
        remembered: int = REMEMBERED,
    ) -> None:
        self.ledger = Ledger(remembered, keeps_last=keeps_last)
        self.models = list(catalogue()) if models is None else models
        self._key_digest = key_digest
        self._played: dict[str, str] = {}  # a behaviour by the digest of a key

    async def listen(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG)

    async def answer(self, call: Call, request: "Request") -> None:
        doors = {
            ("GET", "/v1/models"): self._list_models,
            ("POST", "/v1/chat/completions"): self._complete,
            ("POST", "/v1/moderations"): self._moderate,
            ("GET", "/calls"): self._tell_calls,
            ("POST", "/reset"): self._reset,
            ("POST", "/keys"): self._play,
        }
        door = doors.get((request.method, request.path))
        if not door:
            call.refuse(404, "no such path", "not_found")
        elif not self._refuses_stranger(call, request):
            await door(call, request)

    def _refuses_stranger(self, call: Call, request: "Request") -> bool:
        digest = _digest(request.key)
        if not self._key_digest or hmac.compare_digest(digest, self._key_digest):
            return False
        call.refuse(401, "Incorrect API key provided", "invalid_api_key")
        return True

    @staticmethod
    def _refuses_key(
        call: Call, request: "Request", prefix: str, status: int, message: str
    ) -> bool:
        """Without a key, or with one that begins so. It is quoted, as some providers do."""
        if request.key and not request.key.startswith(prefix):
            return False
        call.refuse(status, f"{message}: {request.key}.", "invalid_api_key")
        return True

    async def _play(self, call: Call, request: "Request") -> None:
        """From now on calls with this key do as that model does, whatever they ask for."""
        try:
            wanted = json.loads(request.body)
            key, name = str(wanted["key"]), str(wanted["as"])
        except (ValueError, RecursionError, LookupError, TypeError):
            call.refuse(400, 'Send {"key": "sk-…", "as": "503"}', "invalid_request_error")
            return
        self._played.pop(_digest(key), None)
        if name and len(self._played) < KEYS_PLAYED_AT_MOST:
            self._played[_digest(key)] = name
        call.answer_json({})

    async def _list_models(self, call: Call, request: "Request") -> None:
        played = self._played.get(_digest(request.key), "")
        if played and played not in OF_CALLS_ALONE:
            await behaviour(played)(call)
            return
        for refusal in (BAD_KEY, LISTLESS_KEY):
            if self._refuses_key(call, request, *refusal):
                return
        rows = [{"id": name, "object": "model", "owned_by": "simulator"} for name in self.models]
        call.answer_json({"object": "list", "data": rows})

    async def _moderate(self, call: Call, request: "Request") -> None:
        """Flags what holds FLAGGED; knows no moderation with the key that knows no list."""
        self.ledger.moderations += 1
        for refusal in (BAD_KEY, LISTLESS_KEY):
            if self._refuses_key(call, request, *refusal):
                return
        asked = _json_object(request.body) or {}
        call.answer_json(shapes.moderation(is_flagged=FLAGGED in str(asked.get("input"))))

    async def _tell_calls(self, call: Call, _request: "Request") -> None:
        call.answer_json(self.ledger.as_json())

    async def _reset(self, call: Call, _request: "Request") -> None:
        self.ledger.reset()
        call.answer_json({})

    async def _complete(self, call: Call, request: "Request") -> None:
        asked = _json_object(request.body)
        if asked is None:
            call.refuse(400, "The body is no JSON object", "invalid_request_error")
            return
        call.asked = asked
        call.id = request.headers.get("x-request-id") or hashlib.sha256(request.body).hexdigest()
        self.ledger.begin(asked, request.headers)
        aborted = True
        try:
            if not any(self._refuses_key(call, request, *each) for each in (BAD_KEY, BUSY_KEY)):
                played = self._played.get(_digest(request.key))
                await behaviour(played or str(asked.get("model")))(call)
            aborted = False
        finally:
            self.ledger.end(call.used(), aborted=aborted)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _json_object(body: bytearray) -> dict[str, Any] | None:
    """None where the body is something else; an empty one is an empty object."""
    try:
        content = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class Request:
    """A request with its body, as far as the simulator reads it."""

    def __init__(self, head: h11.Request) -> None:
        self.method = head.method.decode()
        self.path = head.target.decode("latin-1").partition("?")[0]
        self.headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers
        }
        self.key = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.body = bytearray()


class Connection(asyncio.Protocol):
    """One caller's connection: a request, its answer, the next request."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._http = h11.Connection(h11.SERVER)
        self._request: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._pipelined = 0
        self._drained: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    async def drain(self) -> None:
        """Wait while the caller does not keep up, and let him leave if he does."""
        await asyncio.sleep(0)
        if self._drained:
            await self._drained

    def data_received(self, data: bytes) -> None:
        if self._task:
            self._pipelined += len(data)
            if self._pipelined > PIPELINED_BYTES_AT_MOST:
                self._transport.abort()
                return
        self._http.receive_data(data)
        self._advance()

    def _advance(self) -> None:
        """Read on, up to the end of the next request."""
        try:
            while not self._task:
                event = self._http.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                self._take(event)
        except h11.RemoteProtocolError:
            self._transport.close()

    def _take(self, event: object) -> None:
        """Raises h11.RemoteProtocolError where the body is too long."""
        if isinstance(event, h11.Request):
            self._request = Request(event)
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._transport.write(self._http.send(go_on) or b"")
        elif isinstance(event, h11.Data) and self._request:
            self._request.body += event.data
            if len(self._request.body) > BODY_BYTES_AT_MOST:
                raise h11.RemoteProtocolError("the body is too long")
        elif isinstance(event, h11.EndOfMessage) and self._request:
            self._task = asyncio.get_running_loop().create_task(self._answer(self._request))
        elif isinstance(event, h11.ConnectionClosed):
            self._transport.close()
            raise h11.RemoteProtocolError("closed")

    async def _answer(self, request: Request) -> None:
        call = Call(self._http, self._transport, self.drain, self._simulator.ledger)
        await self._simulator.answer(call, request)
        self._task = None
        self._pipelined = 0
        if self._http.our_state is h11.DONE and not self._transport.is_closing():
            self._http.start_next_cycle()
            self._advance()
        else:
            self._transport.close()
