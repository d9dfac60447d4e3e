"""What the bridge says itself: with the request's id, in JSON to machines."""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from portal.bridge_refusal import refusal
from tests.portal.bridge_server import Server

pytestmark = pytest.mark.alike

OUR_ID = re.compile(r"req_[0-9a-z]{26}")
SHORT = "Content-Length: 50"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server().wait_ready()
    yield running
    running.stop()


def parts(answer: bytes) -> tuple[dict[str, str], bytes]:
    head, _, content = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), content


def test_it_names_the_request_in_a_plain_refusal(server):
    headers, content = parts(server.client().say("POST /body HTTP/1.1", SHORT).end().rest())
    assert OUR_ID.fullmatch(headers["x-request-id"])
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert content == b"Bad Request"


def test_it_answers_machines_with_the_envelope(server):
    answer = server.client().say("POST /platform/api2/x HTTP/1.1", SHORT).end().rest()
    headers, content = parts(answer)
    envelope = json.loads(content)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert (headers["content-type"], envelope["code"]) == ("application/json", 47001)
    assert envelope["request_id"] == headers["x-request-id"]


def test_it_answers_machines_that_are_too_slow_with_the_envelope(server):
    answer = server.client().say("POST /platform/api2/x HTTP/1.1", SHORT).rest()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(parts(answer)[1])["code"] == 47001


def test_it_keeps_the_callers_id(server):
    said = ("POST /platform/api2/x HTTP/1.1", SHORT, "X-Request-ID: sound-id_7")
    headers, content = parts(server.client().say(*said).end().rest())
    assert headers["x-request-id"] == json.loads(content)["request_id"] == "sound-id_7"


@pytest.mark.parametrize("unsound", ["short", "x" * 65, "with space", "umlaut-ü-ü-ü"])
def test_it_replaces_an_unsound_id(server, unsound):
    said = ("POST /body HTTP/1.1", SHORT, f"X-Request-ID: {unsound}")
    headers, _content = parts(server.client().say(*said).end().rest())
    assert OUR_ID.fullmatch(headers["x-request-id"])


def test_it_replaces_repeated_ids(server):
    said = ("POST /body HTTP/1.1", SHORT, "X-Request-ID: first-id", "X-Request-ID: second-id")
    headers, _content = parts(server.client().say(*said).end().rest())
    assert OUR_ID.fullmatch(headers["x-request-id"])


def test_it_answers_clients_of_openai_with_their_error_object(server):
    answer = server.client().say("POST /v1/x HTTP/1.1", SHORT, "X-Request-ID: sound-id_7").rest()
    headers, content = parts(answer)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert headers["x-request-id"] == "sound-id_7"
    error = json.loads(content)["error"]
    assert error.pop("message")
    assert error == {"type": "invalid_request_error", "param": None, "code": None}


def test_it_answers_clients_of_openai_when_a_wait_fails(server):
    answer = server.get("/v1/held-broken")
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["type"]) == (500, "server_error")
    assert error["code"] == "robot_unavailable"


@pytest.mark.parametrize("path", ["/platform/held-broken", "/platform/export?fail=0"])
def test_it_answers_machines_with_the_envelope_when_a_wait_or_an_export_fails(server, path):
    answer = server.get(path)
    envelope = json.loads(answer.read())
    assert (answer.status, envelope["code"]) == (500, -1)
    assert envelope["request_id"] == answer.headers["X-Request-ID"]


def test_it_says_when_to_come_again():
    headers, content = refusal(HTTPStatus.SERVICE_UNAVAILABLE, "/platform/x", "req_1", "")
    assert headers["Retry-After"] == "1"
    assert json.loads(content)["code"] == -1


def test_it_speaks_the_callers_language():
    _headers, content = refusal(
        HTTPStatus.SERVICE_UNAVAILABLE, "/platform/x", "req_1", "zh-CN,en;q=0.5"
    )
    assert "服务" in json.loads(content)["msg"]
