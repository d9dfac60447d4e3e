"""Whose address it is: what is counted by address counts what one client has."""

from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network


def network_of(address: str) -> str:
    """The address; of IPv6 the /64, because whoever has one address there has all of them.

    IPv4 in IPv6's clothes (a socket for both sees it so) is IPv4: all of it lies in one /64.
    """
    with suppress(ValueError):
        found = ip_address(address)
        if isinstance(found, IPv6Address):
            if found.ipv4_mapped:
                return str(found.ipv4_mapped)
            return str(ip_network(f"{address}/64", strict=False))
    return address
