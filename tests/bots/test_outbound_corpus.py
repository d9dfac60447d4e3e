"""No spelling of a closed address is reached, and an entry of the operator opens what it names.

Every form is tried through both clients, with somebody listening who counts: what the guard lets
through arrives there, whatever address was dialled. To see the figures: `-k figures -s`.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from contextlib import suppress

import httpx2
import psutil
import pytest

from bots import destinations, outbound
from bots.outbound import OutboundRefused, UrlRefused
from tests.bots import dialling
from tests.bots.dialling import CLIENTS, PUBLIC, Names, redirecting
from tests.bots.outbound_corpus import (
    CLOSED,
    DEAD_ENDS,
    LOOPBACK_NAMES,
    LYING_NAMES,
    SPELLINGS,
    literal,
)
from tests.bots.outbound_entries import CORP_NAMES, ENTRIES, MALFORMED

pytestmark = pytest.mark.alike

LITERALS = [literal(address) for address in CLOSED]
FORMS = [*LITERALS, *SPELLINGS, *DEAD_ENDS]
CLOSED_NAMES = {f"n{number}.example": [[address]] for number, address in enumerate(CLOSED)}
NAMED = [f"https://{name}:{{port}}/v1" for name in CLOSED_NAMES]
# What a client says to a form that is no URL, or none that can be written down.
NO_URL = (httpx2.InvalidURL, UnicodeError)
REFUSALS = (OutboundRefused, *NO_URL)
REDIRECTED_TO = """
https://127.0.0.1:{port} http://127.0.0.1:{port} //127.0.0.1:{port} https://[::ffff:7f00:1]:{port}
https://localhost:{port} https://evil.example:{port}
"""
PROXY_VARIABLES = "HTTPS_PROXY https_proxy HTTP_PROXY http_proxy ALL_PROXY all_proxy NO_PROXY"


@pytest.fixture
def names(monkeypatch):
    told = Names({name: [list(turn) for turn in turns] for name, turns in LOOPBACK_NAMES.items()})
    dialling.resolve_by(monkeypatch, told)
    return told


@pytest.fixture
def listener(settings):
    """Its port and the one after it are no reason to refuse; nothing else is opened."""
    with dialling.listening() as running:
        settings.OUTBOUND_PORTS = [running.port, other(running.port)]
        settings.OUTBOUND_ALLOW = []
        settings.LOCAL_MODEL = settings.SIMULATOR = False
        yield running


@pytest.fixture
def dialled(listener, names, monkeypatch):
    """Whatever is dialled leads to the listener."""
    return dialling.record_dialling(monkeypatch, listener.port)


def take_guard_away(monkeypatch):
    monkeypatch.setattr(destinations, "check_parsed_url", lambda _url: None)
    monkeypatch.setattr(destinations, "permitted", lambda *_call: True)


@pytest.fixture(params=CLIENTS)
def fetch(request):
    return request.param


def other(port):
    return port + 1 if port < 65535 else port - 1


def at(form, listener):
    return form.format(port=listener.port, other=other(listener.port))


def end_of(fetch, url):
    """How the call ended: the kind of its exception, or else of its answer."""
    try:
        return type(fetch("GET", url))
    except (httpx2.TransportError, *NO_URL) as trouble:
        return type(trouble)


def not_refused(fetch, listener, forms):
    """Those of the forms that some other end came to, with that end; there should be none."""
    ends = {form: end_of(fetch, at(form, listener)) for form in forms}
    return {form: end for form, end in ends.items() if not issubclass(end, REFUSALS)}


def is_stored(url):
    try:
        outbound.check_url(url)
    except UrlRefused:
        return False
    return True


# Nothing closed is reached --------------------------------------------------------------------


def test_no_form_of_a_closed_address_is_stored(listener):
    assert [form for form in FORMS if is_stored(at(form, listener))] == []


def test_no_form_of_a_closed_address_is_reached(listener, dialled, fetch):
    assert not_refused(fetch, listener, FORMS) == {}
    assert (dialled, listener.arrived()) == ([], 0)


def test_no_name_with_a_closed_address_is_reached(listener, dialled, names, fetch):
    names.update(CLOSED_NAMES)
    assert not_refused(fetch, listener, NAMED) == {}
    assert (dialled, listener.arrived()) == ([], 0)


@pytest.mark.parametrize("name", LYING_NAMES)
def test_a_name_that_lies_is_not_reached(listener, dialled, names, fetch, name):
    names[name] = [list(turn) for turn in LYING_NAMES[name]]
    ends = Counter(end_of(fetch, f"https://{name}:{listener.port}/v1") for _ in range(3))
    assert ends[OutboundRefused] >= 2
    assert ends.total() - ends[OutboundRefused] == len(dialled) == ends[httpx2.ConnectError]
    assert set(dialled) <= {PUBLIC}
    assert listener.arrived() == 0


async def twice_awaited(url):
    async with outbound.guarded_client() as client:
        assert (await client.get(url)).status_code == 204
        await client.get(url)


def twice_in_a_thread(url):
    with outbound.guarded_sync_client() as client:
        assert client.get(url).status_code == 204
        client.get(url)


@pytest.mark.parametrize("call", [lambda url: asyncio.run(twice_awaited(url)), twice_in_a_thread])
def test_a_name_that_rebinds_is_refused_at_a_clients_next_connection(
    listener, names, settings, call
):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    names["evil.example"] = [["127.0.0.1"], ["127.0.0.2"]]
    with pytest.raises(OutboundRefused):
        call(f"http://evil.example:{listener.port}")
    assert listener.arrived() == 1


def test_no_private_address_of_this_machine_is_reached(listener, fetch):
    own = [each.address for every in psutil.net_if_addrs().values() for each in every
           if each.family in (socket.AF_INET, socket.AF_INET6)]  # fmt: skip
    closed = [text for text in own if not ipaddress.ip_address(text).is_global]
    assert not_refused(fetch, listener, [literal(text) for text in closed]) == {}
    assert "127.0.0.1" in closed
    assert listener.arrived() == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", REDIRECTED_TO.split())
def test_a_redirect_leads_nowhere(listener, names, settings, fetch, status, target):
    names["evil.example"] = [["127.0.0.1"]]
    with redirecting(status, at(target, listener)) as port:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
        assert fetch("POST", f"http://127.0.0.1:{port}").status_code == status
        with pytest.raises(OutboundRefused):
            fetch("POST", f"http://127.0.0.1:{port}", follow_redirects=True)
    assert listener.arrived() == 0


@pytest.mark.parametrize("variable", PROXY_VARIABLES.split())
def test_a_proxy_of_the_environment_is_not_asked(listener, names, monkeypatch, fetch, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{listener.port}")
    dialled = dialling.record_dialling(monkeypatch)
    names["api.example"] = [[PUBLIC]]
    with pytest.raises(httpx2.ConnectError, match="no network"):
        fetch("GET", f"https://api.example:{listener.port}")
    assert (dialled, listener.arrived()) == ([PUBLIC], 0)


# An entry opens what it names -----------------------------------------------------------------

OPENED = [(each.text, form) for each in ENTRIES for form in each.opened.split()]
NOT_STORED = [(each.text, form) for each in ENTRIES for form in each.closed.split()]
NOT_REACHED = [(each.text, form) for each in ENTRIES for form in each.closed_later.split()]


@pytest.fixture
def corp(names):
    names.update({name: [list(turn) for turn in turns] for name, turns in CORP_NAMES.items()})


@pytest.mark.parametrize(("entry", "form"), OPENED)
def test_an_entry_opens(listener, dialled, corp, settings, fetch, entry, form):
    settings.OUTBOUND_ALLOW = [at(entry, listener)]
    outbound.check_url(at(form, listener))
    with suppress(httpx2.ConnectError):  # nobody there speaks TLS
        fetch("GET", at(form, listener))
    assert (len(dialled), listener.arrived()) == (1, 1)


@pytest.mark.parametrize(("entry", "form"), [*NOT_STORED, *NOT_REACHED])
def test_an_entry_opens_none_of_its_neighbours(
    listener, dialled, corp, settings, fetch, entry, form
):
    settings.OUTBOUND_ALLOW = [at(entry, listener)]
    with pytest.raises(REFUSALS):
        fetch("GET", at(form, listener))
    assert (dialled, listener.arrived()) == ([], 0)


@pytest.mark.parametrize(("entry", "form"), NOT_STORED)
def test_what_an_entry_does_not_open_is_not_stored(listener, settings, entry, form):
    settings.OUTBOUND_ALLOW = [at(entry, listener)]
    with pytest.raises(UrlRefused):
        outbound.check_url(at(form, listener))


@pytest.mark.parametrize(("entry", "form"), NOT_REACHED)
def test_a_name_that_an_entry_may_yet_open_is_stored(listener, settings, entry, form):
    settings.OUTBOUND_ALLOW = [at(entry, listener)]
    outbound.check_url(at(form, listener))


def test_malformed_entries_open_nothing(listener, dialled, corp, settings, fetch):
    settings.OUTBOUND_ALLOW = MALFORMED
    named = ["http://ollama:{port}", "http://corp:{port}", "http://api.corp:{port}"]
    private = ["http://10.0.0.1:{port}", "http://127.0.0.1:{port}", "http://[::1]:{port}"]
    assert not_refused(fetch, listener, [*named, *private, *LITERALS]) == {}
    assert (dialled, listener.arrived()) == ([], 0)


# The figures ----------------------------------------------------------------------------------


def test_the_figures(listener, dialled, names, monkeypatch):
    """Which also shows that each form that leads somewhere would arrive and be counted."""
    names.update(CLOSED_NAMES)
    living, clients = [*LITERALS, *SPELLINGS, *NAMED], (dialling.fetch_async, dialling.fetch_sync)
    for fetch in clients:
        not_refused(fetch, listener, [*living, *DEAD_ENDS])
    guarded = listener.arrived()
    take_guard_away(monkeypatch)
    refused = [len(living) - len(not_refused(fetch, listener, living)) for fetch in clients]
    unguarded = listener.arrived()
    print(f"\n{len(living)} forms that lead somewhere and {len(DEAD_ENDS)} that do not, "
          f"2 clients: {guarded} connections; without the guard {unguarded}.")  # fmt: skip
    assert refused == [0, 0]
    assert (guarded, unguarded) == (0, 2 * len(living))
