"""What the simulator can do, by the name of the model that is asked.

The descriptions are marked for translation and kept in English: the console shows them.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bots.simulator import shapes
from bots.simulator.calls import Call

SLOW_SECONDS = 0.2
BRISK_SECONDS = 0.3
PIECES = 5  # of a repeated question, at most
DRIP_SECONDS = 0.05
THOUGHTS, THOUGHT_SECONDS = 20, 0.1
HANG_SECONDS = 600
WAIT_SECONDS_AT_MOST = 600.0
TIMES_AT_MOST = 10_000
HUGE_BYTES = 100 * 1024 * 1024

Act = Callable[[Call], Awaitable[None]]


def gettext_noop(text: str) -> str:
    """Marks a text for translation, where Django's own is not wanted: it costs memory."""
    return text


@dataclass(frozen=True)
class Behaviour:
    """What happens, and the sentence that says so."""

    act: Act
    description: str


# Answers ----------------------------------------------------------------------------------------


def last_question(call: Call) -> str:
    asked = [turn for turn in shapes.turns(call.asked) if turn.get("role") == "user"]
    return str(asked[-1].get("content")) if asked else ""


def echoing(seconds: float = 0.0) -> Act:
    async def act(call: Call) -> None:
        text = f"You said: {last_question(call)}"
        size = -(-len(text) // PIECES)
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        await call.give(pieces, seconds / len(pieces))

    return act


def giving(*pieces: str, pause: float = 0.0, usage: bool = True, finish: str = "stop") -> Act:
    async def act(call: Call) -> None:
        await call.give(list(pieces), pause, usage=usage, finish=finish)

    return act


def answering(content: bytes, content_type: str, status: int = 200, **headers: str) -> Act:
    async def act(call: Call) -> None:
        call.answer(content, content_type, status, **headers)

    return act


def refusing(status: int, message: str, code: str, **headers: str) -> Act:
    async def act(call: Call) -> None:
        call.refuse(status, message, code, **headers)

    return act


def refusing_field(name: str, message: str) -> Act:
    async def act(call: Call) -> None:
        if name in call.asked:
            call.refuse(400, message, "invalid_request_error")
        else:
            await call.give(["ok"])

    return act


async def ponder(call: Call) -> None:
    """Thinks aloud for a while, in pieces, and then says one."""
    call.start_stream()
    for _thought in range(THOUGHTS):
        call.send_event(shapes.chunk(call.asked, {"reasoning_content": "Let me think. "}))
        await call.pause(THOUGHT_SECONDS)
    call.send_event(shapes.chunk(call.asked, {"content": "ok"}))
    call.send_event(shapes.chunk(call.asked, {}, finish="stop"))
    call.send_event("[DONE]")
    call.end_stream()


# Troubles ---------------------------------------------------------------------------------------


def stalling(*words: str) -> Act:
    """The headers and these words, and then nothing."""

    async def act(call: Call) -> None:
        call.start_stream()
        for word in words:
            call.send_event(shapes.chunk(call.asked, {"content": word}))
        await call.pause(HANG_SECONDS)
        call.tear()

    return act


async def keep_silent(call: Call) -> None:
    await call.pause(HANG_SECONDS)
    call.tear()


async def drip(call: Call) -> None:
    call.start_stream()
    for byte in shapes.event_bytes(shapes.chunk(call.asked, {"content": "ok"})) * 100:
        call.send_bytes(bytes([byte]))
        await call.pause(DRIP_SECONDS)
    call.end_stream()


async def reset(call: Call) -> None:
    call.reset()


def breaking_off(*events: Any, in_order: bool = True) -> Act:
    """A first piece of text, these events, and the end of the stream, in order or torn off."""

    async def act(call: Call) -> None:
        call.start_stream()
        call.send_event(shapes.chunk(call.asked, {"content": "You sa"}))
        for event in events:
            call.send_event(event)
        if in_order:
            call.end_stream()
        call.tear()

    return act


def pouring(head: bytes, content: bytes) -> Act:
    """The same content again and again, up to HUGE_BYTES."""

    async def act(call: Call) -> None:
        call.start_stream()
        call.send_bytes(head)
        for _number in range(HUGE_BYTES // len(content)):
            call.send_bytes(content)
            await call.drain()
        call.end_stream()

    return act


# Families: the name ends in a number -----------------------------------------------------------


def waiting(seconds: float) -> Act:
    async def act(call: Call) -> None:
        await call.pause(seconds)
        await call.give(["I waited ", f"{seconds:g} s."])

    return act


def failing_first(times: float) -> Act:
    async def act(call: Call) -> None:
        if call.ledger.fail(call.id) <= times:
            call.refuse(500, "Something broke, this time", "server_error")
        else:
            await call.give(["ok"])

    return act


def giving_pieces(number: float) -> Act:
    return giving(*["word "] * int(number))


@dataclass(frozen=True)
class Family:
    """Behaviours that differ by the number at the end of their name."""

    make: Callable[[float], Act]
    at_most: float
    example: int
    description: str


FAMILIES = {
    "wait": Family(
        waiting,
        WAIT_SECONDS_AT_MOST,
        10,
        gettext_noop("Answers after so many seconds, 600 at most."),
    ),
    "echo": Family(
        echoing,
        WAIT_SECONDS_AT_MOST,
        2,
        gettext_noop("Repeats the question, bit by bit in so many seconds, 600 at most."),
    ),
    "flaky": Family(
        failing_first,
        TIMES_AT_MOST,
        2,
        gettext_noop("Fails with 500 so many times for each message, then answers."),
    ),
    "pieces": Family(
        giving_pieces,
        TIMES_AT_MOST,
        100,
        gettext_noop("Answers at once, in so many pieces."),
    ),
}
_FAMILY = re.compile(r"([a-z]+)-([0-9]{1,6}(?:\.[0-9]{1,3})?)")

OVERLOADED = {"error": {"message": "The engine is overloaded", "type": "server_error"}}
BEHAVIOURS = {
    "echo": Behaviour(echoing(), gettext_noop("Repeats the question.")),
    "instant": Behaviour(giving("ok"), gettext_noop("Answers “ok” at once.")),
    "brisk": Behaviour(
        echoing(BRISK_SECONDS),
        gettext_noop("Repeats the question, about as fast as a quick model."),
    ),
    "slow": Behaviour(
        giving(*(f"{number} " for number in range(1, 41)), pause=SLOW_SECONDS),
        gettext_noop("Counts to 40, five numbers a second."),
    ),
    "length": Behaviour(
        giving("Once upon", finish="length"), gettext_noop("Stops where the tokens run out.")
    ),
    "filtered": Behaviour(
        giving("I", finish="content_filter"), gettext_noop("Is cut off by the content filter.")
    ),
    "no-usage": Behaviour(
        giving("ok", usage=False), gettext_noop("Answers without saying what it cost.")
    ),
    "ponder": Behaviour(
        ponder, gettext_noop("Thinks aloud for two seconds, then answers “ok” without its cost.")
    ),
    "nul": Behaviour(
        giving("a\0b", "\ud83d", "\ude00c"),
        gettext_noop("Sends a NUL and half characters in its text."),
    ),
    "drip": Behaviour(drip, gettext_noop("Sends an answer that never ends, a byte at a time.")),
    "hang": Behaviour(stalling(), gettext_noop("Begins to answer and sends nothing more.")),
    "silent": Behaviour(keep_silent, gettext_noop("Takes the question and sends nothing at all.")),
    "stall": Behaviour(stalling("Well"), gettext_noop("Sends a word and then nothing more.")),
    "cut": Behaviour(
        breaking_off(in_order=False), gettext_noop("Tears the connection in mid-answer.")
    ),
    "reset": Behaviour(reset, gettext_noop("Resets the connection before any answer.")),
    "no-finish": Behaviour(
        breaking_off("[DONE]"), gettext_noop("Ends without saying that it has finished.")
    ),
    "garbage": Behaviour(
        breaking_off("{this is no JSON"), gettext_noop("Sends something that is no JSON.")
    ),
    "sse-error": Behaviour(breaking_off(OVERLOADED), gettext_noop("Sends an error in mid-answer.")),
    "huge": Behaviour(
        pouring(b": much\n\n", shapes.event_bytes(shapes.chunk({}, {"content": "x" * 16_000}))),
        gettext_noop("Sends an answer of 100 MB."),
    ),
    "huge-event": Behaviour(
        pouring(b"data: ", b"x" * 65536), gettext_noop("Sends 100 MB in a single event.")
    ),
    "html": Behaviour(
        answering(b"<!doctype html><title>Welcome to our portal</title>", "text/html"),
        gettext_noop("Answers with a web page."),
    ),
    "compressed": Behaviour(
        answering(b"\x1f\x8b...", "application/json", Content_Encoding="gzip"),
        gettext_noop("Answers compressed, without having been asked to."),
    ),
    "redirect": Behaviour(
        answering(b"", "text/plain", 307, Location="/v1/elsewhere"),
        gettext_noop("Sends the caller elsewhere (307)."),
    ),
    "refuse-stream-options": Behaviour(
        refusing_field("stream_options", "Unknown field: stream_options"),
        gettext_noop("Knows no stream_options (400), else answers “ok”."),
    ),
    "refuse-max-tokens": Behaviour(
        refusing_field("max_tokens", "Use 'max_completion_tokens' instead."),
        gettext_noop("Knows max_tokens by its newer name only (400), else answers “ok”."),
    ),
    "400": Behaviour(
        refusing(400, "This is not to our liking", "invalid_request_error"),
        gettext_noop("Refuses the request."),
    ),
    "401": Behaviour(
        refusing(401, "Incorrect API key provided", "invalid_api_key"),
        gettext_noop("Refuses the key."),
    ),
    "402": Behaviour(
        refusing(402, "Insufficient Balance", "unknown_error"),
        gettext_noop("Says that the balance is used up."),
    ),
    "403": Behaviour(
        refusing(403, "You have no access to this model", "permission_denied"),
        gettext_noop("Says that the key may not use the model."),
    ),
    "404": Behaviour(
        refusing(404, "The model does not exist", "model_not_found"),
        gettext_noop("Says that there is no such model."),
    ),
    "429": Behaviour(
        refusing(429, "Slow down", "rate_limit_exceeded", Retry_After="1"),
        gettext_noop("Says “too fast”, and to wait a second."),
    ),
    "429-quota": Behaviour(
        refusing(429, "You exceeded your current quota", "insufficient_quota"),
        gettext_noop("Says that the quota is used up."),
    ),
    "500": Behaviour(
        refusing(500, "Something broke", "server_error"),
        gettext_noop("Says that something broke."),
    ),
    "503": Behaviour(
        refusing(503, "The engine is overloaded", "server_error"),
        gettext_noop("Says that it is overloaded."),
    ),
}


def behaviour(model: str) -> Act:
    """What the model does; a name that means nothing here echoes."""
    if known := BEHAVIOURS.get(model):
        return known.act
    match = _FAMILY.fullmatch(model)
    family = FAMILIES.get(match[1]) if match else None
    if not match or not family:
        return BEHAVIOURS["echo"].act
    number = float(match[2])
    if number > family.at_most:
        return refusing(400, f"The number is {family.at_most:g} at most", "invalid_request_error")
    return family.make(number)


def catalogue() -> dict[str, str]:
    """The names to choose from, families by an example, each with its description in English."""
    described = {name: known.description for name, known in BEHAVIOURS.items()}
    for name, family in FAMILIES.items():
        described[f"{name}-{family.example}"] = family.description
    return described
