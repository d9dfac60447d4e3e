"""What a call leaves in the log: one entry, at its end, and nothing that is secret."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from django.db import OperationalError
from django.test import Client, RequestFactory

from bots import feed
from ddio_api import call_facts, call_log, call_recording
from ddio_api.call_recording import CallRecordingMiddleware
from ddio_api.models import Call
from portal import credentials, ending, hold
from portal.hold import HeldResponse, HeldStream
from tests import factories
from tests.ddio_api import answers

pytestmark = pytest.mark.django_db
SEND = {"openID": "alice", "message": "Hello?"}


@pytest.fixture
def stranger() -> Client:
    return Client(raise_request_exception=False)


def recorded(calls: call_log.CallLog) -> Call:
    """The one entry, from the database."""
    calls.flush()
    return Call.objects.get()


def facts(call: Call) -> tuple:
    return (call.door, call.operation, call.method, call.status, call.code, call.outcome)


def test_a_call_leaves_one_entry(calls, client_of_alice, number):
    answer = client_of_alice.post("chat/send", SEND)
    call = recorded(calls)
    assert facts(call) == ("ddio", "ddio-chat-send", "POST", 202, 0, "ok")
    assert (call.number, call.address) == (number, "127.0.0.1")
    assert call.request_id == answer["X-Request-ID"]
    assert 0 <= call.duration_ms < 5000


def test_a_refusal_is_recorded_with_its_code(calls, client_of_alice, number):
    client_of_alice.get("chat/feedback/msg_0")
    call = recorded(calls)
    assert facts(call) == ("ddio", "ddio-feed-item", "GET", 404, 40404, "refused")
    assert call.number == number


def test_a_call_that_is_too_fast_is_its_numbers(calls, client_of_alice, number, settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 0.1, 1
    client_of_alice.get("chat/feedback")
    client_of_alice.get("chat/feedback")
    calls.flush()
    assert list(Call.objects.order_by("pk").values_list("code", flat=True)) == [0, 45011]
    assert set(Call.objects.values_list("number", flat=True)) == {number.pk}


def test_a_caller_whom_nobody_knows_belongs_to_no_number(calls, anonymous):
    anonymous.get("chat/feedback")
    call = recorded(calls)
    assert (call.number, call.code, call.outcome) == (None, 41001, "refused")


def test_a_failure_of_ours_is_one(calls, client_of_alice, monkeypatch):
    monkeypatch.setattr(feed, "read", lambda _query: 1 / 0)
    client_of_alice.get("chat/feedback")
    assert facts(recorded(calls))[3:] == (500, -1, "failed")


def test_a_database_that_is_busy_is_a_failure(calls, client_of_alice, monkeypatch):
    def away(_query: object) -> None:
        raise OperationalError

    monkeypatch.setattr(feed, "read", away)
    client_of_alice.get("chat/feedback")
    assert facts(recorded(calls))[3:] == (503, -1, "failed")


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/platform/api2/no/such", {}, ("ddio", "ddio-unknown", "GET", 404, 40404, "refused")),
        ("/platform/else", {}, ("ddio", "", "GET", 404, 40404, "refused")),
        ("/cgi-bin/nothing", {}, ("wechat", "", "GET", 404, 40404, "refused")),
        ("/oauth2/nothing", {}, ("oauth", "", "GET", 404, 40404, "refused")),
        ("/.well-known/nothing", {}, ("oauth", "", "GET", 404, 40404, "refused")),
        ("/v1/nothing", {}, ("openai", "openai-unknown", "GET", 404, 40404, "refused")),
        (
            "/platform/api2/token",
            {"Host": "forged.example"},
            ("ddio", "", "GET", 400, 47001, "refused"),
        ),
    ],
)
def test_what_no_view_answers_is_recorded_too(calls, stranger, path, headers, expected):
    stranger.get(path, headers=headers)
    assert facts(recorded(calls)) == expected


@pytest.mark.parametrize(
    "path", ["/", "/health/live", "/platform/api2/schema/", "/platform/api2/docs/"]
)
def test_pages_and_the_schema_are_no_calls(calls, stranger, path):
    stranger.get(path)
    assert calls.waiting == 0


# What must not be in it -------------------------------------------------------------------------

CANARY = "canary-7d1f"


@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.get("chat/feedback", {"openID": CANARY}),
        lambda client: client.get(f"chat/feedback/msg_{CANARY}"),
        lambda client: client.get(f"{CANARY}/else"),
        lambda client: client.post("chat/send", SEND | {"message": CANARY, "openID": CANARY}),
        lambda client: client.post("token", {"appID": f"fw{CANARY}", "appSecret": CANARY}),
        lambda client: client.post("token", CANARY),
        lambda client: client.get(
            "chat/feedback", **{"User-Agent": CANARY, "access-token": CANARY}
        ),
        lambda client: client.get("chat/feedback", Cookie=CANARY, Referer=CANARY),
        lambda client: client.get("chat/feedback", **{"X-Request-ID": f"{CANARY} {CANARY}"}),
    ],
)
def test_no_secret_no_query_and_no_text_is_in_it(calls, client_of_alice, act):
    act(client_of_alice)
    recorded(calls)
    assert CANARY not in str(list(Call.objects.values()))


def test_no_token_is_in_it(calls, client_of_alice):
    client_of_alice.get("chat/feedback")
    token = client_of_alice._headers["Authorization"].removeprefix("Bearer ")
    recorded(calls)
    assert token[-20:] not in str(list(Call.objects.values()))


# Whose call it is -------------------------------------------------------------------------------


def record_naming(app_id: str) -> None:
    """A refused call that names an app, as the token doors leave it."""

    request = RequestFactory().get("/platform/api2/token")
    request.META["fuwuhao.request_id"] = "req_of_this_test"
    call = call_recording._Ongoing(request)
    call_facts.facts_of(request).name_app(app_id)
    call.record(401)


def test_a_refused_call_is_the_numbers_that_it_names(calls, number):
    record_naming(number.app_id)
    assert recorded(calls).number == number


@pytest.mark.parametrize("app_id", ["fw0000000000000000", "", "\0", "x" * 1000, "字", "fw' OR 1=1"])
def test_an_app_that_does_not_exist_is_nobody(calls, number, app_id):
    record_naming(app_id)
    assert recorded(calls).number is None


def test_naming_an_app_costs_the_request_no_query(calls, number, django_assert_num_queries):
    with django_assert_num_queries(0):
        record_naming(number.app_id)


def test_overlong_words_are_cut_to_what_the_columns_hold(calls, stranger):
    stranger.generic("M" * 500, "/platform/api2/token", REMOTE_ADDR="1" * 99)
    call = recorded(calls)
    assert (call.method, call.address) == ("M" * 10, "1" * 45)


# Held answers and streams -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_held_answer_is_recorded_at_its_end(calls, client_of_alice, number, monkeypatch):
    message = factories.message(number)
    waiting_while_held: list[int] = []
    resolve = HeldResponse.resolve

    async def settled_meanwhile(response: HeldResponse) -> None:
        waiting_while_held.append(calls.waiting)
        await hold.in_thread(answers.settle, message)
        await resolve(response)

    monkeypatch.setattr(HeldResponse, "resolve", settled_meanwhile)
    client_of_alice.get(f"chat/feedback/{message.pk}", {"wait": 5})
    assert waiting_while_held == [0]
    assert facts(recorded(calls)) == ("ddio", "ddio-feed-item", "GET", 200, 0, "ok")


@pytest.mark.django_db(transaction=True)
def test_a_held_answer_that_is_refused_in_the_end_has_its_code(calls, client_of_alice, number):
    message = factories.message(number)
    with answers.soon(lambda: credentials.revoke(number.secrets.get(), actor=None)):
        client_of_alice.get(f"chat/feedback/{message.pk}", {"wait": 1})
    assert facts(recorded(calls))[3:] == (401, 40001, "refused")


def respond(response, method: str = "GET"):
    """The response as the middleware lets it out."""
    request = RequestFactory().generic(method, "/platform/api2/anything")
    request.META["fuwuhao.request_id"] = "req_of_this_test"
    return CallRecordingMiddleware(lambda _request: response)(request)


def held(wait: Callable) -> HeldResponse:
    return respond(HeldResponse(wait))


def stream(chunks: Callable, method: str = "GET") -> HeldStream:
    return respond(HeldStream(chunks), method)


async def in_a_task(coroutine, cancel_after: float | None = None) -> None:
    task = asyncio.create_task(coroutine)
    if cancel_after is not None:
        await asyncio.sleep(cancel_after)
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def sleep(_response: HeldResponse) -> None:
    await asyncio.sleep(30)


def test_it_has_the_status_that_the_wait_found(calls):
    async def wait(response: HeldResponse) -> None:
        await asyncio.sleep(0.05)
        response.status_code = 202

    asyncio.run(in_a_task(held(wait).resolve()))
    call = recorded(calls)
    assert (call.status, call.outcome) == (202, "ok")
    assert call.duration_ms >= 50


def test_a_caller_who_left_is_told_from_a_failure(calls):
    asyncio.run(in_a_task(held(sleep).resolve(), cancel_after=0.01))
    call = recorded(calls)
    assert (call.status, call.code, call.outcome) == (499, 0, "left")


def test_a_wait_that_breaks_is_a_failure(calls):
    async def wait(_response: HeldResponse) -> None:
        raise LookupError

    asyncio.run(in_a_task(held(wait).resolve()))
    assert facts(recorded(calls))[3:] == (500, -1, "failed")


def test_a_wait_that_the_end_of_the_process_cuts_off_is_a_failure(calls):
    async def stopped() -> None:
        ending.stopping().set()
        await in_a_task(held(sleep).resolve(), cancel_after=0.01)

    asyncio.run(stopped())
    assert facts(recorded(calls))[3:] == (503, -1, "failed")


async def three_pieces() -> AsyncGenerator[bytes, None]:
    for piece in (b"1", b"2", b"3"):
        await asyncio.sleep(0.01)
        yield piece


async def read(response: HeldStream, at_most: int = 99) -> list[bytes]:
    pieces = response.pieces()
    found = []
    async for piece in pieces:
        found.append(piece)
        if len(found) == at_most:
            break
    await pieces.aclose()
    return found


def test_a_stream_is_recorded_at_its_end(calls):
    assert asyncio.run(read(stream(three_pieces))) == [b"1", b"2", b"3"]
    call = recorded(calls)
    assert (call.status, call.outcome) == (200, "ok")
    assert call.duration_ms >= 30


def test_a_reader_who_leaves_a_stream_is_told_from_one_who_read_it(calls):
    asyncio.run(read(stream(three_pieces), at_most=1))
    call = recorded(calls)
    assert (call.status, call.outcome) == (200, "left")


def test_a_stream_that_breaks_is_a_failure(calls):
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"1"
        raise LookupError

    asyncio.run(in_a_task(read(stream(chunks))))
    assert facts(recorded(calls))[3:] == (200, -1, "failed")


def test_of_a_stream_the_head_alone_is_a_whole_answer(calls):
    stream(three_pieces, method="HEAD")
    assert recorded(calls).outcome == "ok"
