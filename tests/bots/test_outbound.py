"""The guarded client: what it connects to, and what it takes from the other side."""

import asyncio
import socket
import ssl
import threading
from asyncio.base_events import BaseEventLoop
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore2
import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bots import outbound
from bots.outbound import OutboundRefused, ResponseCompressed, ResponseTooLarge
from tests.bots.test_destinations import CLOSED
from tests.bots.test_provider import wait_until

pytestmark = pytest.mark.alike

PUBLIC = "93.184.215.14"
LOOPBACK_FORMS = """
https://127.0.0.1 https://127.0.0.2 https://127.1 https://0 https://0.0.0.0 https://2130706433
https://017700000001 https://0177.0.0.1 https://0x7f000001 https://0x7f.1 https://localhost
https://localhost. https://127.0.0.1. https://api.localhost https://user:password@127.0.0.1
https://[::1] https://[::] https://[::ffff:127.0.0.1] https://[::ffff:7f00:1] https://[::127.0.0.1]
https://[64:ff9b::127.0.0.1] https://[2002:7f00:1::] https://１２７.０.０.１ https://127。0。0。1
https://127%2e0.0.1 http://127.0.0.1 http://localhost http://[::1] http://2130706433
"""


@pytest.fixture
def listener(settings):
    """A listening socket on loopback; its port is no reason to refuse, nothing else is opened."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        settings.OUTBOUND_PORTS = [server.getsockname()[1]]
        settings.OUTBOUND_ALLOW = []
        settings.LOCAL_MODEL = settings.SIMULATOR = False
        yield server


@pytest.fixture
def names(monkeypatch):
    """What the resolver says: each name's answers in turn, the last one again and again."""
    answers = {}
    resolve = BaseEventLoop.getaddrinfo

    async def answer(loop, host, port, **options):
        if host not in answers:
            return await resolve(loop, host, port, **options)
        turn = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in turn]

    monkeypatch.setattr(BaseEventLoop, "getaddrinfo", answer)
    return answers


@pytest.fixture
def dialled(monkeypatch):
    """The addresses that were connected to; public ones are refused here instead of called."""
    addresses = []
    connect = httpcore2.AnyIOBackend.connect_tcp

    async def record(backend, host, port, *args):
        addresses.append(host)
        if host == PUBLIC:
            raise httpcore2.ConnectError("no network in tests")
        return await connect(backend, host, port, *args)

    monkeypatch.setattr(httpcore2.AnyIOBackend, "connect_tcp", record)
    return addresses


def get(url, **options):
    """One request through a client of its own."""

    async def call():
        async with outbound.guarded_client(**options) as client:
            return await client.get(url)

    return asyncio.run(call())


def ask(upstream, model, **options):
    """One chat call through a client of its own; an event stream where one is accepted."""
    headers = {"authorization": "Bearer sk-test", "accept": options.pop("accept", "*/*")}

    async def call():
        async with outbound.guarded_client(**options) as client:
            url, body = upstream.url + "/chat/completions", {"model": model, "stream": True}
            return await client.post(url, json=body, headers=headers)

    return asyncio.run(call())


# Nothing closed is connected to ---------------------------------------------------------------


@pytest.mark.parametrize("form", LOOPBACK_FORMS.split())
def test_no_spelling_of_loopback_is_connected_to(listener, dialled, form):
    with pytest.raises((OutboundRefused, httpx2.InvalidURL)):
        get(f"{form}:{listener.getsockname()[1]}/v1")
    assert dialled == []
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("address", CLOSED.split())
def test_no_name_that_resolves_to_a_closed_address_is_connected_to(
    listener, dialled, names, address
):
    names["evil.example"] = [[address]]
    with pytest.raises(OutboundRefused, match="private or reserved"):
        get(f"https://evil.example:{listener.getsockname()[1]}/v1")
    assert dialled == []


def test_one_closed_address_among_public_ones_condemns_the_name(listener, dialled, names):
    names["evil.example"] = [[PUBLIC, "127.0.0.1"]]
    with pytest.raises(OutboundRefused):
        get(f"https://evil.example:{listener.getsockname()[1]}/v1")
    assert dialled == []


def test_a_name_that_rebinds_is_refused_at_its_next_connection(listener, dialled, names):
    names["evil.example"] = [[PUBLIC], ["127.0.0.1"]]
    url = f"https://evil.example:{listener.getsockname()[1]}/v1"
    with pytest.raises(httpx2.ConnectError):
        get(url)
    with pytest.raises(OutboundRefused):
        get(url)
    assert dialled == [PUBLIC]


def test_the_checked_address_is_the_one_dialled_without_asking_again(listener, dialled, names):
    names["evil.example"] = [[PUBLIC], ["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError):
        get(f"https://evil.example:{listener.getsockname()[1]}/v1")
    assert dialled == [PUBLIC]
    assert names["evil.example"] == [["127.0.0.1"]]


def test_http_to_a_public_address_is_refused(listener, dialled, names):
    names["plain.example"] = [[PUBLIC]]
    with pytest.raises(OutboundRefused, match="Use https://"):
        get(f"http://plain.example:{listener.getsockname()[1]}")
    assert dialled == []


def test_http_to_a_name_outside_the_opened_range_is_refused(listener, dialled, names, settings):
    settings.OUTBOUND_ALLOW = ["10.0.0.0/8"]
    names["plain.example"] = [[PUBLIC]]
    with pytest.raises(OutboundRefused):
        get(f"http://plain.example:{listener.getsockname()[1]}")
    assert dialled == []


def test_proxy_variables_are_ignored(listener, names, monkeypatch):
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    names["evil.example"] = [["10.0.0.1"]]
    with pytest.raises(OutboundRefused):
        get(f"https://evil.example:{listener.getsockname()[1]}")
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_openai_keeps_the_refusal_as_the_cause(listener):
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


def test_an_opened_address_is_reached(upstream):
    assert get(upstream.root + "/calls").json()["total"] == 0


def test_an_opened_name_is_reached_whatever_it_resolves_to(upstream, names, settings):
    settings.OUTBOUND_ALLOW = [f"model.internal:{upstream.port}"]
    names["model.internal"] = [["127.0.0.1"]]
    assert get(f"http://model.internal:{upstream.port}/calls").status_code == 200


def test_a_name_in_an_opened_range_is_reached(upstream, names, settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    names["model.internal"] = [["127.0.0.1"]]
    assert get(f"http://model.internal:{upstream.port}/calls").status_code == 200


def test_the_next_address_is_tried_where_one_is_dead(upstream, names, dialled, settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    names["model.internal"] = [["127.0.0.9", "127.0.0.1"]]
    assert get(f"http://model.internal:{upstream.port}/calls").status_code == 200
    assert dialled == ["127.0.0.9", "127.0.0.1"]


def test_a_name_that_does_not_resolve_is_a_connection_error(names, monkeypatch):
    async def fail(_loop, _host, _port, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(BaseEventLoop, "getaddrinfo", fail)
    with pytest.raises(httpx2.ConnectError, match="does not resolve"):
        get("https://nowhere.example")


def test_a_resolver_that_hangs_is_a_connect_timeout(names, monkeypatch):
    async def hang(_loop, _host, _port, **_options):
        await asyncio.sleep(60)

    monkeypatch.setattr(BaseEventLoop, "getaddrinfo", hang)
    with pytest.raises(httpx2.ConnectTimeout):
        get("https://nowhere.example", timeout=httpx2.Timeout(5, connect=0.05))


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


def test_tls_asks_for_the_name_while_the_address_is_dialled(tls_server, names, dialled):
    port, asked, trusting = tls_server
    names["model.internal"] = [["127.0.0.1"]]
    assert get(f"https://model.internal:{port}", verify=trusting).status_code == 204
    assert (asked, dialled) == (["model.internal"], ["127.0.0.1"])


def test_a_certificate_for_another_name_is_refused(tls_server, names):
    port, _asked, trusting = tls_server
    names["other.internal"] = [["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        get(f"https://other.internal:{port}", verify=trusting)


def test_a_certificate_of_an_unknown_authority_is_refused(tls_server, names):
    port, _asked, _trusting = tls_server
    names["model.internal"] = [["127.0.0.1"]]
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        get(f"https://model.internal:{port}")


# What comes back ------------------------------------------------------------------------------


def test_redirects_are_not_followed(upstream):
    assert ask(upstream, "redirect").status_code == 307
    assert upstream.calls()["total"] == 1


def test_it_asks_for_no_compression_and_refuses_it(upstream):
    with pytest.raises(ResponseCompressed):
        ask(upstream, "compressed")


def test_an_answer_over_the_cap_is_refused_by_its_length(upstream):
    with pytest.raises(ResponseTooLarge):
        ask(upstream, "html", bytes_at_most=10)


def test_an_answer_over_the_cap_is_cut_off_as_it_comes(upstream):
    with pytest.raises(ResponseTooLarge, match="100000"):
        ask(upstream, "huge", bytes_at_most=100_000)
    wait_until(lambda: upstream.calls()["aborted"] == 1)


def test_the_setting_caps_where_the_caller_does_not(upstream, settings):
    settings.OUTBOUND_BYTES_AT_MOST = 10
    with pytest.raises(ResponseTooLarge):
        ask(upstream, "html")


def test_an_event_stream_may_be_longer_than_other_answers(upstream):
    answer = ask(upstream, "echo", bytes_at_most=10, accept="text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_single_event_is_capped(upstream):
    with pytest.raises(ResponseTooLarge, match="1048576"):
        ask(upstream, "huge-event", accept="text/event-stream")


def test_an_event_stream_is_capped_as_a_whole(upstream, monkeypatch):
    monkeypatch.setattr(outbound, "STREAM_BYTES_AT_MOST", 1_000_000)
    with pytest.raises(ResponseTooLarge, match="1000000"):
        ask(upstream, "huge", accept="text/event-stream")


def test_cookies_of_one_call_do_not_travel_with_the_next():
    sent = []

    def set_cookie(request):
        sent.append(request.headers.get("cookie"))
        return httpx2.Response(200, headers={"set-cookie": "session=alice; Path=/"})

    async def call_twice():
        client = outbound.guarded_client()
        client._transport = httpx2.MockTransport(set_cookie)
        await client.get("https://api.example.com")
        await client.get("https://api.example.com")

    asyncio.run(call_twice())
    assert sent == [None, None]
