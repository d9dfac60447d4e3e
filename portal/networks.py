"""Whose address it is: what is counted by address counts what one client has."""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def _plain(address: str) -> IPv4Address | IPv6Address:
    """IPv4 in IPv6's clothes (a socket for both sees it so) is IPv4; raises ValueError."""
    found = ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, because whoever has one address there has all of them."""
    with suppress(ValueError):
        found = _plain(address)
        if isinstance(found, IPv6Address):
            return str(ip_network(f"{address}/64", strict=False))
        return str(found)
    return address


def covers(networks: Iterable[str], address: str) -> bool:
    """Whether the address lies in one of the networks; False for what is no address."""
    with suppress(ValueError):
        found = _plain(address)
        return any(found in ip_network(network) for network in networks)
    return False
