"""Where an outbound call may go: addresses, ports, the operator's allow-list, and URLs.

Without help from the operator only https to public addresses on `OUTBOUND_PORTS` passes. An entry
of `OUTBOUND_ALLOW` opens exactly its host or address range, for http too. `bots.outbound` connects
by these rules; the parser that checks a URL is the one that fetches it (CVE-2026-45400).
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

import httpx2
from django.conf import settings
from django.utils.translation import gettext as _

from bots.addresses import Address, Network, is_public, literal_address, unmapped

URL_LENGTH_AT_MOST = 500
STANDARD_PORTS = {"http": 80, "https": 443}

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
# The resolver takes 2130706433, 0177.0.0.1, 0x7f.1 and 127.1 for addresses (inet_aton).
NUMERIC_ENDING = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


class UrlRefused(ValueError):
    """The URL may not be called. The message says what to do, in the reader's language."""


# The operator's allow-list --------------------------------------------------------------------


@dataclass(frozen=True)
class AllowEntry:
    """One host name or one range of addresses, and the one port it opens (None: every port)."""

    host: str = ""
    network: Network | None = None
    port: int | None = None

    def covers(self, host: str, port: int, address: Address | None = None) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is None:
            return self.host == host
        return address is not None and address in self.network


def _parse_entry(text: str) -> AllowEntry:
    """Raises ValueError or httpx2.InvalidURL where the entry is none of the known forms."""
    host, port = _split_port(text)
    try:
        network = ipaddress.ip_network(host)
    except ValueError:
        pass  # not an address, so it has to be a name
    else:
        return AllowEntry(network=_as_compared(network), port=port)
    if set(host) & set("/:@?#%\\[]"):
        raise ValueError(text)
    name = httpx2.URL(f"http://{host}/").raw_host.decode()
    if not HOSTNAME.fullmatch(name) or NUMERIC_ENDING.fullmatch(name):
        raise ValueError(text)
    return AllowEntry(host=name, port=port)


def _as_compared(network: Network) -> Network:
    """Raises ValueError for what would open nothing, or another link's address as well."""
    if isinstance(network, ipaddress.IPv6Network):
        first = network.network_address
        if first.ipv4_mapped or first.scope_id:
            raise ValueError(str(network))
    return network


def _split_port(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::([0-9]{1,5}))?", text)
    named = re.fullmatch(r"([^:/\[\]]+):([0-9]{1,5})", text)
    match = bracketed or named
    if not match:
        return text, None
    port = int(match[2]) if match[2] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(text)
    return match[1], port


@lru_cache(maxsize=16)
def _parse_allow_list(words: tuple[str, ...]) -> tuple[tuple[AllowEntry, ...], tuple[str, ...]]:
    entries, malformed = [], []
    for word in words:
        try:
            entries.append(_parse_entry(word))
        except (ValueError, httpx2.InvalidURL):
            malformed.append(word)
    return tuple(entries), tuple(malformed)


def check_allow_list() -> list[str]:
    """What is wrong with OUTBOUND_ALLOW, a sentence for each malformed entry (it opens nothing)."""
    malformed = _parse_allow_list(tuple(settings.OUTBOUND_ALLOW))[1]
    forms = "write a host, host:port, an address, [IPv6]:port, or a range such as 10.1.0.0/16"
    return [f"OUTBOUND_ALLOW: {word!r} is none of the known forms: {forms}." for word in malformed]


def _allow_list() -> tuple[AllowEntry, ...]:
    entries = _parse_allow_list(tuple(settings.OUTBOUND_ALLOW))[0]
    if settings.LOCAL_MODEL:
        entries += (_entry_for(settings.LOCAL_MODEL_URL),)
    if settings.SIMULATOR:
        entries += (_entry_for(settings.SIMULATOR_URL),)
    return entries


@lru_cache(maxsize=4)
def _entry_for(url: str) -> AllowEntry:
    host, port = host_and_port(httpx2.URL(url))
    address = literal_address(host)
    if address is None:
        return AllowEntry(host=host, port=port)
    return AllowEntry(network=ipaddress.ip_network(address), port=port)


def permitted(scheme: str, host: str, port: int, address: Address) -> bool:
    """Whether a call to this host and port may be connected to this address of it."""
    address = unmapped(address)
    if any(entry.covers(host, port, address) for entry in _allow_list()):
        return True
    return scheme == "https" and port in settings.OUTBOUND_PORTS and is_public(address)


# URLs -----------------------------------------------------------------------------------------


def host_and_port(url: httpx2.URL) -> tuple[str, int]:
    """As the fetching side will see them: the name in its ASCII form, the port never left out."""
    port = STANDARD_PORTS[url.scheme] if url.port is None else url.port
    return url.raw_host.decode(), port


def check_url(url: str) -> None:
    """Refuse what can be refused without asking the network; for forms, before a URL is stored.

    Names are resolved and checked again at every connection. Raises UrlRefused.
    """
    if len(url) > URL_LENGTH_AT_MOST:
        raise UrlRefused(_("The address is too long: 500 characters at most."))
    if any(sign == "\\" or sign.isspace() or not sign.isprintable() for sign in url):
        raise UrlRefused(_("Leave out spaces, backslashes and control characters."))
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise UrlRefused(_("This is not a valid web address.")) from None
    if "#" in url:
        raise UrlRefused(_("Leave out the part after the # sign."))
    check_parsed_url(parsed)


def check_parsed_url(url: httpx2.URL) -> None:
    """The part of `check_url` that every request goes through as well. Raises UrlRefused."""
    if url.scheme not in STANDARD_PORTS:
        raise UrlRefused(_("The address must begin with https://."))
    if url.userinfo:
        raise UrlRefused(_("Leave out the user name and password."))
    host, port = host_and_port(url)
    if not 1 <= port <= 65535:
        raise UrlRefused(_("The port must be a number from 1 to 65535."))
    address = literal_address(host)
    if address is None:
        _check_name(host)
        address = _address_of_localhost(host)
    if address is None:
        _check_reachable(url.scheme, host, port)
    elif not permitted(url.scheme, host, port, address):
        raise UrlRefused(private_message()) if not is_public(address) else _closed(url.scheme, port)


def _check_name(host: str) -> None:
    if not HOSTNAME.fullmatch(host):
        raise UrlRefused(_("The address must name a host, such as api.example.com."))
    if NUMERIC_ENDING.fullmatch(host):
        raise UrlRefused(_("Write an IP address in its usual form, such as 192.0.2.1."))


def _address_of_localhost(host: str) -> Address | None:
    """RFC 6761, 6.3: this name and those below it are loopback without asking anybody."""
    is_localhost = host == "localhost" or host.endswith(".localhost")
    return ipaddress.IPv4Address("127.0.0.1") if is_localhost else None


def _check_reachable(scheme: str, host: str, port: int) -> None:
    """Refuse a name that no address could make permitted; the rest shows at connect."""
    if scheme == "https" and port in settings.OUTBOUND_PORTS:
        return
    entries = [entry for entry in _allow_list() if entry.port in (None, port)]
    if not any(entry.network or entry.host == host for entry in entries):
        raise _closed(scheme, port)


def _closed(scheme: str, port: int) -> UrlRefused:
    if scheme == "http":
        return UrlRefused(_("Use https://. The operator can permit http with OUTBOUND_ALLOW."))
    sentence = _("Port %(port)d is closed. The operator can open it with OUTBOUND_ALLOW.")
    return UrlRefused(sentence % {"port": port})


def private_message() -> str:
    return _("This address is private or reserved. The operator can open it with OUTBOUND_ALLOW.")
