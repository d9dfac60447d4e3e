"""Which addresses are everybody's, whatever they are wrapped in."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Listed one by one, for `is_global` of Python 3.11 has gaps. Source: the IANA special-purpose
# address registries. The last IPv4 entry is Azure's metadata host, which wears a public address.
_CLOSED_IPV4 = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 168.63.129.16/32
"""
# Only global unicast is open, so loopback, ULA, link-local, site-local, multicast and the embedded
# forms outside it need no line. Inside it: Teredo and its neighbours, documentation, 6to4 (whatever
# IPv4 address they embed: both are retired), AS112 and the 6bone.
OPEN_IPV6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_IPV6 = "2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20"
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 5214, 6.1: below whatever prefix, the interface 0000:5efe or 0200:5efe and an IPv4 address.
ISATAP, ISATAP_MASK = 0x00005EFE, 0xFDFFFFFF

CLOSED_IPV4 = [ipaddress.IPv4Network(network) for network in _CLOSED_IPV4.split()]
CLOSED_IPV6 = [ipaddress.IPv6Network(network) for network in _CLOSED_IPV6.split()]


def unmapped(address: Address) -> Address:
    """An IPv4-mapped address is that IPv4 address: the kernel connects to it as such."""
    return getattr(address, "ipv4_mapped", None) or address


def is_public(address: Address) -> bool:
    """Whether the address is one that anybody on the Internet may call."""
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in CLOSED_IPV4)
    if address.scope_id:
        return False  # it means something on one link only
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if (int(address) >> 32) & ISATAP_MASK == ISATAP:
        return False
    return address in OPEN_IPV6 and not any(address in network for network in CLOSED_IPV6)


def literal_address(host: str) -> Address | None:
    """The address, where the host is one in its usual form and without an IPv6 scope."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None
