"""The bridge over real HTTP, against a real Granian process: requests in, whole answers out."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

from portal.bridge import Bridge
from portal.bridge_request import Body, BodyReader, RefusedError, build_environ, client_address
from tests.portal.bridge_server import Server, eventually

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("127.0.0.1")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server().wait_ready()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def quiet_server() -> Iterator[Server]:
    """One on which nothing else goes on: for counting."""
    running = Server().wait_ready()
    yield running
    running.stop()


@pytest.fixture
def bridge(settings) -> Bridge:
    settings.TRUSTED_PROXIES = []
    return Bridge(WSGIHandler())


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def read_body(pieces: list[bytes]) -> Body:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    body = Body()
    scope = {"headers": [(b"transfer-encoding", b"chunked")], "http_version": "1.1"}
    asyncio.run(BodyReader(at_most=100).fill(body, scope, receive))
    return body


CHUNKED = "Transfer-Encoding: chunked"
CLOSE = "Connection: close"


# Bodies -----------------------------------------------------------------------------------------


def test_it_reads_a_chunked_body(server):
    body = chunked(b"hello ", b"wide ", b"world")
    answer = server.client().say("POST /body HTTP/1.1", CHUNKED, CLOSE, body=body).rest()
    assert answer.endswith(b'{"length": 16, "head": "hello wide world"}')


def test_it_reads_a_body_with_a_length(server):
    answer = server.request("POST", "/body", b"x" * 100_000).read()
    assert json.loads(answer)["length"] == 100_000


def test_it_takes_an_absent_body_for_an_empty_one(server):
    answer = server.client().say("POST /body HTTP/1.1", CLOSE).rest()
    assert answer.endswith(b'{"length": 0, "head": ""}')


def test_it_lets_the_door_answer_413_to_a_large_body(server):
    answer = server.request("POST", "/body", b"x" * 3_000_000)
    assert (answer.status, answer.read()) == (413, b'{"code": 45002}')


def test_it_lets_the_door_answer_413_to_a_large_chunked_body(server):
    body = chunked(*[b"x" * 50_000] * 40)
    answer = server.client().say("POST /body HTTP/1.1", CHUNKED, CLOSE, body=body).rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'{"code": 45002}')


def test_it_lets_a_view_ignore_a_large_body(server):
    assert server.request("POST", "/ignoring", b"x" * 300_000).status == 200


def test_it_goes_on_with_the_connection_after_a_large_body(server):
    client = server.client()
    client.say("POST /body HTTP/1.1", "Content-Length: 300000", body=b"x" * 300_000)
    client.until(b'{"code": 45002}')
    assert b"200 OK" in client.say("GET /quick HTTP/1.1").until(b"\r\n")


def test_it_does_not_ask_for_a_large_body_that_the_client_offers(server):
    client = server.client().say(
        "POST /body HTTP/1.1", "Content-Length: 9000000", "Expect: 100-continue"
    )
    assert client.until(b"\r\n") == b"HTTP/1.1 413 Payload Too Large\r\n"


def test_it_answers_at_once_to_a_body_that_is_too_large_to_drain(server):
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 9000000000")
    assert client.rest().startswith(b"HTTP/1.1 413 ")


def test_it_runs_no_view_for_a_body_that_breaks_off(server):
    client = server.client()
    client.say("POST /body?id=short HTTP/1.1", "Content-Length: 50", body=b"short")
    client.close()
    time.sleep(0.2)
    assert server.count("body short") == 0


def test_it_keeps_nothing_of_a_body_over_the_cap():
    body = read_body([b"x" * 60, b"x" * 60, b"x" * 60])
    assert (body.size, body.over, body.chunks, body.kept) == (180, True, [], 0)


def test_it_refuses_bodies_when_too_many_are_in_memory(monkeypatch):
    monkeypatch.setattr("portal.bridge_request.BODIES_BYTES_AT_MOST", 70)
    with pytest.raises(RefusedError, match="Service Unavailable"):
        read_body([b"x" * 40, b"x" * 40])


def test_it_refuses_two_lengths_that_differ(server):
    client = server.client()
    client.say("POST /body HTTP/1.1", "Content-Length: 2", "Content-Length: 4", body=b"four")
    assert client.until(b"\r\n") == b"HTTP/1.1 400 Bad Request\r\n"


def test_it_ends_a_slow_upload_with_408(server):
    client = server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"slow")
    answer = client.rest()
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in answer


def test_it_holds_no_thread_for_slow_uploads(server):
    uploads = [
        server.client().say("POST /body HTTP/1.1", "Content-Length: 50", body=b"slow")
        for _ in range(20)
    ]
    began = time.monotonic()
    assert server.get("/quick").status == 200
    assert time.monotonic() - began < 0.5
    assert all(upload.rest().startswith(b"HTTP/1.1 408") for upload in uploads)


# What Django sees of the request ----------------------------------------------------------------


def test_it_joins_repeated_headers(server):
    client = server.client()
    client.say("GET /echo HTTP/1.1", "X-Many: 1", "X-Many: 2", "Cookie: a=1", "Cookie: b=2", CLOSE)
    seen = json.loads(client.rest().split(b"\r\n\r\n")[1])
    assert seen["meta"]["HTTP_X_MANY"] == "1,2"
    assert seen["cookies"] == {"a": "1", "b": "2"}


def test_it_drops_header_names_with_underscores(server):
    client = server.client().say("GET /echo HTTP/1.1", "X_Custom: spoofed", CLOSE)
    seen = json.loads(client.rest().split(b"\r\n\r\n")[1])
    assert "HTTP_X_CUSTOM" not in seen["meta"]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/echo/a%2Fb", "/echo/a/b"),
        ("/echo/%E6%9C%8D%E5%8A%A1", "/echo/服务"),
        ("/echo/%E4%F6", "/echo/%E4%F6"),
        ("/echo/%252F", "/echo/%2F"),
        ("/echo//double", "/echo//double"),
        ("http://testserver/echo/absolute", "/echo/absolute"),
    ],
)
def test_it_decodes_paths_as_wsgi_servers_do(server, asked, seen):
    client = server.client().say(f"GET {asked} HTTP/1.1", CLOSE)
    assert json.loads(client.rest().split(b"\r\n\r\n")[1])["path"] == seen


def test_it_passes_the_query_string(server):
    assert server.json("/echo?q=%E6%9C%8D+a&empty=")["get"] == {"q": "服 a", "empty": ""}


def test_it_tells_the_protocol_and_the_server(server):
    meta = server.json("/echo")["meta"]
    assert (meta["SERVER_PROTOCOL"], meta["wsgi.url_scheme"]) == ("HTTP/1.1", "http")
    assert (meta["REMOTE_ADDR"], meta["SERVER_PORT"]) == ("127.0.0.1", str(server.port))


def test_it_believes_no_forwarding_header_of_a_stranger(server):
    headers = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "Forwarded": "for=1"}
    seen = json.loads(server.request("GET", "/echo", headers=headers).read())["meta"]
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert not [name for name in seen if "FORWARDED" in name]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6,1.2.3.4 , 10.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("2001:db8::1", "[2a00::5]:443", "2a00::5"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
    ],
)
def test_it_takes_the_rightmost_untrusted_address(peer, forwarded_for, client):
    assert client_address(peer, forwarded_for, TRUSTED) == client


def test_it_believes_a_trusted_proxy_about_the_scheme():
    headers = [(b"x-forwarded-for", b"1.2.3.4"), (b"x-forwarded-proto", b"https")]
    scope = {"headers": headers, "method": "GET", "raw_path": b"/", "query_string": b""}
    scope |= {"http_version": "1", "scheme": "http", "client": ("::ffff:10.0.0.1", "5")}
    environ = build_environ(scope, Body(), TRUSTED)
    assert environ["HTTP_X_FORWARDED_PROTO"] == "https"
    assert (environ["REMOTE_ADDR"], environ["SERVER_PROTOCOL"]) == ("1.2.3.4", "HTTP/1.0")
    assert "HTTP_X_FORWARDED_FOR" not in environ


# Answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/quick", "/held", "/stream", "/file", "/export"])
def test_it_sends_no_body_to_head(server, path):
    client = server.client().say(f"HEAD {path} HTTP/1.1", CLOSE)
    head, _, body = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 20")
    assert body == b""


def test_it_tells_the_length_to_head(server):
    assert server.request("HEAD", "/file").headers["Content-Length"] == "1000"
    assert server.request("HEAD", "/held").headers["Content-Length"] == "4"


@pytest.mark.parametrize("status", [204, 304])
def test_it_sends_no_body_with_a_status_that_has_none(server, status):
    answer = server.client().say(f"GET /status/{status} HTTP/1.1", CLOSE).rest()
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 4" not in answer


def test_it_repeats_set_cookie(server):
    sent = server.get("/cookies").headers.get_all("Set-Cookie")
    assert sent == ["one=1; Path=/", "two=2; Path=/"]


def test_it_answers_500_when_a_view_fails_and_goes_on(server):
    assert server.get("/broken").status == 500
    assert server.get("/quick").status == 200


@pytest.mark.parametrize("size", [0, 1000, 1_500_000, 5_000_000])
def test_it_sends_files_whole_and_closes_them(server, size):
    assert server.get(f"/file?size={size}&id=file-{size}").read() == b"f" * size
    assert eventually(lambda: server.count(f"closed file-{size}") == 1)


def test_it_iterates_an_export_in_one_thread(server):
    assert len(server.get("/export?rows=50000&id=whole").read()) == 5_000_000
    assert eventually(lambda: server.count("closed whole") == 1)
    assert server.count("threads whole") == 1


def test_it_answers_500_when_an_export_fails_at_once(server):
    assert server.get("/export?fail=0").status == 500


def test_it_does_not_let_a_broken_export_look_whole(server):
    answer = server.get("/export?rows=9000&fail=8000")
    assert answer.status == 200
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        answer.read()


def test_slow_readers_of_exports_hold_no_quick_request_up(server):
    clients = [server.client(4096).say("GET /export?rows=400000 HTTP/1.1") for _ in range(6)]
    began = time.monotonic()
    assert server.get("/quick").status == 200
    assert time.monotonic() - began < 0.5
    assert [client.close() for client in clients]


def test_it_cuts_a_reader_that_stalls_and_ends_its_export(server):
    client = server.client(4096).say("GET /export?rows=200000&id=stalled HTTP/1.1")
    assert eventually(lambda: server.count("closed stalled") == 1)
    assert not client.rest().endswith(b"0\r\n\r\n")


def test_it_ends_an_export_whose_client_left_before_its_turn(quiet_server):
    before = quiet_server.requests_finished()
    clients = [quiet_server.client(4096).say("GET /export?rows=400000 HTTP/1.1") for _ in range(9)]
    assert quiet_server.get("/quick").read()
    assert [client.close() for client in clients]
    assert eventually(lambda: quiet_server.requests_finished() == before + 10)


def test_slow_readers_of_files_hold_no_export_up(server):
    clients = [server.client(4096).say("GET /file?size=9000000 HTTP/1.1") for _ in range(6)]
    assert len(server.get("/export").read()) == 1000
    assert all(client.until(b"\r\n") == b"HTTP/1.1 200 OK\r\n" for client in clients)
    assert [client.close() for client in clients]


@pytest.mark.parametrize(
    ("path", "pool"),
    [
        ("/quick", "web"),
        ("/held", "web"),
        ("/held-broken", "web"),
        ("/stream", "web"),
        ("/file", "web"),
        ("/file?size=2000000", "files"),
        ("/export", "export"),
        ("/broken", "web"),
    ],
)
def test_it_sends_request_finished_once(quiet_server, path, pool):
    before, there = quiet_server.requests_finished(), quiet_server.requests_finished(f" in {pool}")
    quiet_server.get(path).read()
    assert eventually(lambda: quiet_server.requests_finished() == before + 1)
    time.sleep(0.1)
    assert quiet_server.requests_finished() == before + 1
    assert quiet_server.requests_finished(f" in {pool}") == there + 1


def test_it_leaks_no_descriptor_when_it_cuts(quiet_server):
    before = quiet_server.json("/events")["descriptors"]
    clients = [quiet_server.client().say("GET /stream-broken HTTP/1.1") for _ in range(5)]
    assert all(b"data: first" in client.rest() for client in clients)
    assert eventually(lambda: quiet_server.json("/events")["descriptors"] <= before)


def test_it_does_not_upgrade_to_a_websocket(server):
    client = server.client().say(
        "GET /quick HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: eA"
    )
    assert client.until(b"\r\n") == b"HTTP/1.1 200 OK\r\n"


def test_it_refuses_websocket_scopes(bridge):
    sent = []

    async def send(message):
        sent.append(message["type"])

    asyncio.run(bridge({"type": "websocket"}, None, send))
    assert sent == ["websocket.close"]


def test_it_names_what_is_misconfigured_and_does_not_start():
    server = Server(BRIDGE_LANGUAGE="no language")
    said = server.wait_gone()
    assert server.process.returncode == 1
    assert "translation.E001: You have provided an invalid value" in said
    assert "The web process does not start until this is mended." in said
    assert "Traceback" not in said
