"""Where an outbound call may go: addresses, URLs, and what the operator opens."""

import ipaddress

import pytest

from bots import destinations, outbound
from bots.outbound import UrlRefused
from tests.bots.outbound_corpus import CLOSED, OPEN
from tests.bots.outbound_entries import MALFORMED

pytestmark = pytest.mark.alike

# The rules for the form of any URL; those that lead to closed addresses are in the corpus.
REFUSED_URLS = [
    "api.example.com",
    "//api.example.com",
    "ftp://api.example.com",
    "http://api.example.com",
    "HTTP://api.example.com",
    "https://user@api.example.com",
    "https://user:password@api.example.com",
    "https://api.example.com@127.0.0.1",
    "https://127.0.0.1@api.example.com",
    "https://api.example.com#@127.0.0.1",
    "https://api.example.com/v1#part",
    "https://api.example.com#",
    "https://api.example.com.",
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
    " https://api.example.com",
    "https://api.example.com ",
    "https://api.example.com/\n",
    "https://api.example.com/\r\nHost: 127.0.0.1",
    "https://api.example\t.com",
    "https://api.example.com/\0",
    "https://api.example.com/\u202e",
    "https://api.example.com/\u3000",
    "https://api_example!.com",
    "https://*.example.com",
    "https://" + "a" * 64 + ".example.com",
    "https://api.example.com/" + "a" * 500,
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


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_that_is_not_everybodys_is_closed(address):
    assert not destinations.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
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


@pytest.mark.parametrize("entry", MALFORMED)
def test_a_malformed_entry_is_reported(settings, entry):
    settings.OUTBOUND_ALLOW = ["ollama", entry]
    complaints = outbound.check_allow_list()
    assert len(complaints) == 1
    assert repr(entry) in complaints[0]


def test_well_formed_entries_are_not_reported(settings):
    settings.OUTBOUND_ALLOW = ["ollama", "ollama:1", "10.0.0.1", "10.0.0.0/8", "::1", "[::1]:1"]
    assert outbound.check_allow_list() == []
