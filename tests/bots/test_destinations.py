"""Where an outbound call may go: addresses, URLs, and what the operator opens."""

import ipaddress

import pytest

from bots import destinations, outbound
from bots.outbound import UrlRefused

pytestmark = pytest.mark.alike

CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1
127.0.0.2 127.255.255.254 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1
192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254
64:ff9b::a00:1 64:ff9b:1::1 64:ff9b:1::8.8.8.8 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378::1
2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a9fe:a9fe:: 2002:808:808::
2620:4f:8000::1 3ffe::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1
fe80::a9fe:a9fe feb0::1 fec0::1 feff::1 ff02::1 ff05::2 ff0e::1
"""

OPEN = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1 169.253.1.1
172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
2606:4700::1111 2a00:1450:4001::200e 2001:4860:4860::8888
"""

MALFORMED = """
http://ollama ollama:99999 ollama:0 10.0.0.0/33 10.0.0.1/8 *.corp ::1:x 10.0.0.0/8:80 [ollama]:80
ollama/v1 me@ollama 2130706433 0x7f.1 ollama#
"""

REFUSED_URLS = [
    "",
    "api.example.com",
    "//api.example.com",
    "/v1",
    "ftp://api.example.com",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "unix:///run/valkey.sock",
    "http://api.example.com",
    "HTTP://api.example.com",
    "https://",
    "https:///v1",
    "https://user@api.example.com",
    "https://user:password@api.example.com",
    "https://api.example.com@127.0.0.1",
    "https://127.0.0.1@api.example.com",
    "https://api.example.com#@127.0.0.1",
    "https://api.example.com/v1#part",
    "https://api.example.com#",
    "https://api.example.com.",
    "https://127.0.0.1.",
    "https://localhost.",
    "https://.api.example.com",
    "https://api..example.com",
    "https://-api.example.com",
    "https://api.example.com:22",
    "https://api.example.com:0",
    "https://api.example.com:8443",
    "https://api.example.com:65536",
    "https://api.example.com:-1",
    "https://api.example.com:4 43",
    "https://api.example.com:443:443",
    "https://api.example.com\\@127.0.0.1",
    "https:\\\\127.0.0.1",
    " https://api.example.com",
    "https://api.example.com ",
    "https://api.example.com/\n",
    "https://api.example.com/\r\nHost: 127.0.0.1",
    "https://api.example\t.com",
    "https://api.example.com/\0",
    "https://api.example.com/\u202e",
    "https://api.example.com/\u3000",
    "https://127%2e0%2e0%2e1",
    "https://%31%32%37.0.0.1",
    "https://api_example!.com",
    "https://*.example.com",
    "https://" + "a" * 64 + ".example.com",
    "https://api.example.com/" + "a" * 500,
    "https://localhost",
    "https://LOCALHOST/v1",
    "https://anything.localhost",
    "https://127.0.0.1",
    "https://127.0.0.1:443/v1",
    "https://127.1",
    "https://127.0.1",
    "https://0",
    "https://2130706433",
    "https://134744072",
    "https://017700000001",
    "https://0177.0.0.1",
    "https://0177.0.0.01",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://0X7F.0.0.1",
    "https://127.0.0.0x1",
    "https://00000127.0.0.1",
    "https://127.0.0.1.1",
    "https://256.256.256.256",
    "https://１２７.０.０.１",
    "https://127。0。0。1",
    "https://①②⑦.0.0.1",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]",
    "https://[::]",
    "https://[0:0:0:0:0:0:0:1]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::ffff:a9fe:a9fe]",
    "https://[64:ff9b::127.0.0.1]",
    "https://[2002:7f00:1::]",
    "https://[fe80::1%25eth0]",
    "https://[fe80::1%eth0]",
    "https://[2606:4700::1111%25eth0]",
    "https://[fd00:ec2::254]",
    "https://[::1",
    "https://::1",
    "http://8.8.8.8",
]

ACCEPTED_URLS = [
    "https://api.openai.com/v1",
    "https://api.openai.com:443/v1",
    "HTTPS://API.OpenAI.com/v1/",
    "https://open.bigmodel.cn/api/paas/v4/",
    "https://my_host.example.com",
    "https://中文.example.com/v1",
    "https://xn--fiq228c.example.com/v1",
    "https://8.8.8.8/v1",
    "https://[2606:4700::1111]/v1",
    "https://1.example.com",
    "https://api.example.com/v1?api-version=2026-01-01",
    "https://api.example.com/@team/v1",
]


@pytest.fixture(autouse=True)
def _nothing_is_opened(settings):
    settings.OUTBOUND_ALLOW = []
    settings.OUTBOUND_PORTS = [443]
    settings.LOCAL_MODEL = settings.SIMULATOR = False


@pytest.mark.parametrize("address", CLOSED.split())
def test_an_address_that_is_not_everybodys_is_closed(address):
    assert not destinations.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN.split())
def test_a_public_address_is_open(address):
    assert destinations.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_it_refuses_to_store(url):
    with pytest.raises(UrlRefused) as refusal:
        outbound.check_url(url)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("url", ACCEPTED_URLS)
def test_it_stores(url):
    outbound.check_url(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://10.0.0.1/v1", "private or reserved"),
        ("http://api.example.com", "Use https://"),
        ("https://api.example.com:8443", "Port 8443 is closed"),
        ("https://0x7f.1", "in its usual form"),
        ("https://me:secret@api.example.com", "user name and password"),
    ],
)
def test_a_refusal_says_what_to_do(url, words):
    with pytest.raises(UrlRefused, match=words):
        outbound.check_url(url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("ollama", "http://ollama:11434/v1"),
        ("ollama:11434", "http://ollama:11434/v1"),
        ("Ollama.Internal", "http://ollama.internal/v1"),
        ("localhost", "http://localhost:8080"),
        ("127.0.0.1", "http://localhost:8080"),
        ("中文.internal", "http://中文.internal"),
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]:9000"),
        ("10.0.0.0/8", "http://10.20.30.40:9000"),
        ("10.0.0.0/8", "https://10.20.30.40"),
        ("10.0.0.0/8", "http://resolved-later.internal:9000"),
        ("::1", "http://[::1]:9000"),
        ("[::1]", "http://[::1]:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("fd00::/8", "http://[fd12::1]:9000"),
        ("api.example.com:8443", "https://api.example.com:8443"),
    ],
)
def test_an_entry_of_the_operator_opens(settings, entry, url):
    settings.OUTBOUND_ALLOW = [entry]
    outbound.check_url(url)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("ollama:11434", "http://ollama:11435"),
        ("ollama", "http://other"),
        ("ollama", "http://ollama.evil.example"),
        ("example.com", "http://api.example.com"),
        ("127.0.0.1:9000", "http://127.0.0.1:9001"),
        ("127.0.0.1:9000", "http://127.0.0.2:9000"),
        ("127.0.0.1", "http://2130706433"),
        ("10.0.0.0/8", "http://11.0.0.1"),
        ("10.0.0.1", "http://[64:ff9b::10.0.0.1]"),
        ("[::1]:9000", "http://[::1]:9001"),
        ("ollama", "ftp://ollama"),
        ("ollama", "http://user:password@ollama"),
        ("10.0.0.0/33", "http://10.0.0.1"),
    ],
)
def test_an_entry_opens_nothing_else(settings, entry, url):
    settings.OUTBOUND_ALLOW = [entry]
    with pytest.raises(UrlRefused):
        outbound.check_url(url)


def test_the_local_model_is_a_built_in_entry(settings):
    settings.LOCAL_MODEL = True
    settings.LOCAL_MODEL_URL = "http://127.0.0.1:40001/v1"
    outbound.check_url("http://127.0.0.1:40001/v1")
    with pytest.raises(UrlRefused):
        outbound.check_url("http://127.0.0.1:40002/v1")


def test_a_local_model_that_is_off_opens_nothing(settings):
    settings.LOCAL_MODEL_URL = "http://127.0.0.1:40001/v1"
    with pytest.raises(UrlRefused):
        outbound.check_url("http://127.0.0.1:40001/v1")


def test_the_simulator_is_open_while_it_is_on(settings):
    settings.SIMULATOR, settings.SIMULATOR_URL = True, "http://127.0.0.1:40003/v1"
    outbound.check_url("http://127.0.0.1:40003/v1")
    settings.SIMULATOR = False
    with pytest.raises(UrlRefused):
        outbound.check_url("http://127.0.0.1:40003/v1")


def test_the_operator_may_list_other_ports(settings):
    settings.OUTBOUND_PORTS = [443, 8443]
    outbound.check_url("https://api.example.com:8443")


@pytest.mark.parametrize(
    "entry",
    MALFORMED.split(),
)
def test_a_malformed_entry_is_reported(settings, entry):
    settings.OUTBOUND_ALLOW = ["ollama", entry]
    complaints = outbound.check_allow_list()
    assert len(complaints) == 1
    assert repr(entry) in complaints[0]


def test_well_formed_entries_are_not_reported(settings):
    settings.OUTBOUND_ALLOW = ["ollama", "ollama:1", "10.0.0.1", "10.0.0.0/8", "::1", "[::1]:1"]
    assert outbound.check_allow_list() == []
