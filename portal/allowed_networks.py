"""The IP list of a number: from where its systems may call. An empty list admits everybody."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from portal import app_records, audit
from portal.models import AllowedNetwork, ServiceNumber, User
from portal.numbers import refuse_closed

NETWORKS_AT_MOST = 100
NOTE_LENGTH_AT_MOST = 60
_MAPPED_PREFIX = 96  # ::ffff:0:0/96 is IPv4 as a socket for both sees it

Network = IPv4Network | IPv6Network


class NetworkRefused(Exception):
    """The network is not added; the message is a sentence for the number's owner."""


def parse(text: str) -> str:
    """The address or network in its one spelling; raises ValidationError with the right one."""
    written = text.strip()
    try:
        has_zone = "%" in written  # an interface of the caller's own machine
        network = ip_network("" if has_zone else written, strict=False)
    except ValueError as error:
        sentence = _(
            "Write an address such as 203.0.113.7 or 2001:db8::7, or a network such as"
            " 203.0.113.0/24. Names, ports and ranges do not do."
        )
        raise ValidationError(sentence) from error
    _refuse_host_bits(written, network)
    network = _without_clothes(network)
    if network.prefixlen == 0:
        sentence = _("That is everybody. For that the list must be empty: remove its rows instead.")
        raise ValidationError(sentence)
    is_address = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if is_address else str(network)


def _refuse_host_bits(written: str, network: Network) -> None:
    """Whoever writes 203.0.113.7/24 means either; only he knows which."""
    address = ip_address(written.partition("/")[0])
    if address == network.network_address:
        return
    sentence = _(
        "%(written)s can be read in two ways. Write %(network)s for the whole network, or"
        " %(address)s for the one address."
    )
    names = {"written": written, "network": network, "address": address}
    raise ValidationError(sentence % names)


def _without_clothes(network: Network) -> Network:
    """IPv4 in IPv6's clothes is IPv4: that is how the caller's address is seen."""
    if isinstance(network, IPv4Network) or network.prefixlen < _MAPPED_PREFIX:
        return network
    mapped = network.network_address.ipv4_mapped
    return IPv4Network((mapped, network.prefixlen - _MAPPED_PREFIX)) if mapped else network


def add(number: ServiceNumber, network: str, *, actor: User, note: str = "") -> AllowedNetwork:
    """Admit what `parse` returned. Raises NetworkRefused, and EditRefused for a closed number."""
    with transaction.atomic():
        fresh = ServiceNumber.objects.locked(number.pk)
        refuse_closed(fresh)
        if fresh.networks.filter(network=network).exists():
            raise NetworkRefused(_("%(network)s is on the list already.") % {"network": network})
        if fresh.networks.count() >= NETWORKS_AT_MOST:
            sentence = _("There is room for %(count)d rows. Join some into a network (CIDR).")
            raise NetworkRefused(sentence % {"count": NETWORKS_AT_MOST})
        added = fresh.networks.create(network=network, note=note)
        audit.record("network.added", actor=actor, number=fresh, network=network, note=note)
        app_records.changed(fresh.pk)
    return added


def remove(number: ServiceNumber, network_id: int, *, actor: User) -> str | None:
    """Take a row off the list and return its network; None where it is not there (any more).

    Raises EditRefused for a closed number.
    """
    with transaction.atomic():
        fresh = ServiceNumber.objects.locked(number.pk)
        refuse_closed(fresh)
        row = fresh.networks.filter(pk=network_id).first()
        if row is None:
            return None
        row.delete()
        audit.record("network.removed", actor=actor, number=fresh, network=row.network)
        app_records.changed(fresh.pk)
    return row.network
