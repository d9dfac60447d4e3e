"""The guarded clients: what they connect to, and what they take from the other side."""

import asyncio
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bots import outbound
from bots.outbound import OutboundRefused, ResponseCompressed, ResponseTooLarge
from tests.bots import dialling
from tests.bots.dialling import CLIENTS, PUBLIC, Names
from tests.bots.test_provider import wait_until

pytestmark = pytest.mark.alike


@pytest.fixture(autouse=True)
def _nothing_is_opened(settings):
    settings.OUTBOUND_ALLOW = []
    settings.OUTBOUND_PORTS = [443]
    settings.LOCAL_MODEL = settings.SIMULATOR = False


@pytest.fixture(params=CLIENTS)
def fetch(request):
    return request.param


@pytest.fixture
def names(monkeypatch):
    told = Names()
    dialling.resolve_by(monkeypatch, told)
    return told


@pytest.fixture
def dialled(monkeypatch):
    return dialling.record_dialling(monkeypatch)


def ask(fetch, upstream, model, accept="*/*", **options):
    """One chat call; an event stream where one is accepted."""
    url, body = upstream.url + "/chat/completions", {"model": model, "stream": True}
    headers = {"authorization": "Bearer sk-test", "accept": accept}
    return fetch("POST", url, json=body, headers=headers, options=options)


# What is connected to -------------------------------------------------------------------------


def test_the_checked_address_is_the_one_dialled_without_asking_again(dialled, names, fetch):
    names["evil.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError):
        fetch("GET", "https://evil.example/v1")
    assert dialled == [PUBLIC]
    assert names["evil.example"] == [["127.0.0.1"]]


def test_openai_keeps_the_refusal_as_the_cause():
    async def call():
        async with outbound.guarded_client() as http:
            client = openai.AsyncOpenAI(
                api_key="sk-test", base_url="https://10.0.0.1/v1", http_client=http, max_retries=0
            )
            await client.models.list()

    with pytest.raises(openai.APIConnectionError) as failure:
        asyncio.run(call())
    assert isinstance(failure.value.__cause__, OutboundRefused)


# What the operator opens is reached -----------------------------------------------------------


def test_an_opened_address_is_reached(upstream, fetch):
    assert fetch("GET", upstream.root + "/calls").json()["total"] == 0


def test_an_opened_name_is_reached_whatever_it_resolves_to(upstream, names, settings, fetch):
    settings.OUTBOUND_ALLOW = [f"model.internal:{upstream.port}"]
    names["model.internal"] = [["127.0.0.1"]]
    assert fetch("GET", f"http://model.internal:{upstream.port}/calls").status_code == 200


def test_the_next_address_is_tried_where_one_is_dead(upstream, names, dialled, settings, fetch):
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    names["model.internal"] = [["127.0.0.9", "127.0.0.1"]]
    assert fetch("GET", f"http://model.internal:{upstream.port}/calls").status_code == 200
    assert dialled == ["127.0.0.9", "127.0.0.1"]


def test_a_name_that_does_not_resolve_is_a_connection_error(names, fetch):
    with pytest.raises(httpx2.ConnectError, match="does not resolve"):
        fetch("GET", "https://nowhere.example")


def test_a_name_without_an_address_is_a_connection_error(names, fetch):
    names["nowhere.example"] = [[]]
    with pytest.raises(httpx2.ConnectError, match="does not resolve"):
        fetch("GET", "https://nowhere.example")


# TLS ------------------------------------------------------------------------------------------


def certificate(name):
    """A self-signed certificate for the name, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), secret


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()

    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(1500):  # some 30 seconds, so that a test fails and does not hang
            self.wfile.write(b"x")
            time.sleep(0.02)

    def log_message(self, *args):
        pass


@pytest.fixture
def tls_server(tmp_path, settings):
    """An https server for model.internal: (port, names asked for by TLS, trusting context)."""
    public, secret = certificate("model.internal")
    (tmp_path / "pem").write_bytes(secret + public)
    asked = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Greeter)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    yield server.server_address[1], asked, ssl.create_default_context(cadata=public.decode())
    server.shutdown()
    server.server_close()


def test_tls_asks_for_the_name_while_the_address_is_dialled(tls_server, names, dialled, fetch):
    port, asked, trusting = tls_server
    names["model.internal"] = [["127.0.0.1"]]
    answer = fetch("GET", f"https://model.internal:{port}", options={"verify": trusting})
    assert answer.status_code == 204
    assert (asked, dialled) == (["model.internal"], ["127.0.0.1"])


def test_a_certificate_for_another_name_is_refused(tls_server, names, fetch):
    port, _asked, trusting = tls_server
    names["other.internal"] = [["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        fetch("GET", f"https://other.internal:{port}", options={"verify": trusting})


def test_a_certificate_of_an_unknown_authority_is_refused(tls_server, names, fetch):
    port, _asked, _trusting = tls_server
    names["model.internal"] = [["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        fetch("GET", f"https://model.internal:{port}")


def test_an_encrypted_answer_that_drips_is_cut_off_for_a_thread(tls_server, names):
    port, _asked, trusting = tls_server
    names["model.internal"] = [["127.0.0.1"]]
    options = {"verify": trusting, "total_seconds": 0.5}
    with pytest.raises(httpx2.TimeoutException):
        dialling.fetch_sync("POST", f"https://model.internal:{port}", options=options)


# What comes back ------------------------------------------------------------------------------


def test_it_asks_for_no_compression_and_refuses_it(upstream, fetch):
    with pytest.raises(ResponseCompressed):
        ask(fetch, upstream, "compressed")


def test_an_answer_over_the_cap_is_refused_by_its_length(upstream, fetch):
    with pytest.raises(ResponseTooLarge):
        ask(fetch, upstream, "html", bytes_at_most=10)


def test_an_answer_over_the_cap_is_cut_off_as_it_comes(upstream, fetch):
    with pytest.raises(ResponseTooLarge, match="100000"):
        ask(fetch, upstream, "huge", bytes_at_most=100_000)
    wait_until(lambda: upstream.calls()["aborted"] == 1)


def test_the_setting_caps_where_the_caller_does_not(upstream, settings, fetch):
    settings.OUTBOUND_BYTES_AT_MOST = 10
    with pytest.raises(ResponseTooLarge):
        ask(fetch, upstream, "html")


def test_an_event_stream_may_be_longer_than_other_answers(upstream, fetch):
    answer = ask(fetch, upstream, "echo", bytes_at_most=10, accept="text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_single_event_is_capped(upstream, fetch):
    with pytest.raises(ResponseTooLarge, match="1048576"):
        ask(fetch, upstream, "huge-event", accept="text/event-stream")


def test_an_event_stream_is_capped_as_a_whole(upstream, monkeypatch, fetch):
    monkeypatch.setattr(outbound, "STREAM_BYTES_AT_MOST", 1_000_000)
    with pytest.raises(ResponseTooLarge, match="1000000"):
        ask(fetch, upstream, "huge", accept="text/event-stream")


@pytest.fixture
def cookies():
    """A provider that sets one, and the cookies that were sent to it."""
    sent = []

    def set_cookie(request):
        sent.append(request.headers.get("cookie"))
        return httpx2.Response(200, headers={"set-cookie": "session=alice; Path=/"})

    return httpx2.MockTransport(set_cookie), sent


def test_cookies_of_one_call_do_not_travel_with_the_next(cookies):
    async def call_twice():
        client = outbound.guarded_client()
        client._transport = cookies[0]
        await client.get("https://api.example.com")
        await client.get("https://api.example.com")

    asyncio.run(call_twice())
    assert cookies[1] == [None, None]


def test_cookies_of_one_call_in_a_thread_do_not_travel_with_the_next(cookies):
    client = outbound.guarded_sync_client()
    client._transport = cookies[0]
    client.get("https://api.example.com")
    client.get("https://api.example.com")
    assert cookies[1] == [None, None]
