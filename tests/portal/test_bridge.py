"""The bridge over real HTTP, against a real Granian process: requests in, whole answers out."""

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from django.core.handlers.wsgi import WSGIHandler

from portal.bridge import Bridge
from portal.bridge_body import Body
from portal.bridge_request import build_environ, client_address
from tests.portal.bridge_server import Server, eventually

pytestmark = pytest.mark.alike

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


CLOSE = "Connection: close"


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


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("text/plain; charset=zlib", "text/plain"),
        ("multipart/form-data; boundary=x; charset=punycode", 'multipart/form-data; boundary="x"'),
        (
            "multipart/form-data; CharSet*=utf-8''rot13; boundary=x",
            'multipart/form-data; boundary="x"',
        ),
        ("application/json; charset=utf-8", "application/json"),
        ("multipart/form-data; boundary=----x", "multipart/form-data; boundary=----x"),
    ],
)
def test_nobody_chooses_the_codec(given, taken):
    scope = {"headers": [(b"content-type", given.encode())], "method": "POST", "raw_path": b"/"}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http"}
    assert build_environ(scope, Body(), [])["CONTENT_TYPE"] == taken


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
