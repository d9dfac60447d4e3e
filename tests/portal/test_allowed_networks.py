"""The IP list: spellings, the ways onto it and off it, and the trail of both."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ValidationError
from django.db import close_old_connections

from portal import allowed_networks, app_records, networks
from portal.allowed_networks import NetworkRefused, parse
from portal.models import AllowedNetwork, AuditEntry, State
from portal.numbers import EditRefused
from tests import factories


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\n", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.0/255.255.255.0", "203.0.113.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::7", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("2001:db8::7/128", "2001:db8::7"),
        ("2001:db8::/48", "2001:db8::/48"),
        ("::1", "::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:cb00:7107", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",) * 2,
    ],
)
def test_each_network_has_one_spelling(written, meant):
    assert parse(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "erp.example.com",
        "203.0.113",
        "203.0.113.256",
        "203.0.113.007",
        "203.0.113.7:443",
        "203.0.113.7-203.0.113.9",
        "203.0.113.7, 203.0.113.8",
        "203.0.113.7/33",
        "203.0.113.7/",
        "203.0.113.7/24/24",
        "203.0.113.*",
        "0x7f000001",
        "3405803783",
        "２０３.0.113.7",
        "[2001:db8::7]",
        "2001:db8::/129",
        "2001:db8:::7",
        "fe80::1%eth0/64",
        "203.0.113.7\0",
        "https://203.0.113.7/",
    ],
)
def test_what_is_no_network_is_told_what_one_looks_like(written):
    with pytest.raises(ValidationError, match=r"Write an address such as 203\.0\.113\.7"):
        parse(written)


@pytest.mark.parametrize(
    ("written", "network", "address"),
    [
        ("203.0.113.7/24", "203.0.113.0/24", "203.0.113.7"),
        ("2001:db8::7/48", "2001:db8::/48", "2001:db8::7"),
        ("203.0.113.7/0", "0.0.0.0/0", "203.0.113.7"),
    ],
)
def test_what_can_be_read_in_two_ways_is_answered_with_both(written, network, address):
    with pytest.raises(ValidationError) as refusal:
        parse(written)
    sentence = refusal.value.message
    assert f"Write {network} for the whole network, or {address} for the one" in sentence


@pytest.mark.parametrize("written", ["0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96"])
def test_everybody_is_no_network(written):
    with pytest.raises(ValidationError, match="That is everybody"):
        parse(written)


@pytest.mark.parametrize("written", ["203.0.113.7", "203.0.113.0/24", "::ffff:203.0.113.7"])
def test_what_is_parsed_covers_its_address(written):
    assert networks.covers([parse(written)], "203.0.113.7")
    assert networks.covers([parse(written)], "::ffff:203.0.113.7")


# Adding and removing ----------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch) -> list[int]:
    """The numbers whose record was said to have changed."""
    seen: list[int] = []
    monkeypatch.setattr(app_records, "changed", seen.append)
    return seen


def trail() -> list[tuple]:
    return list(
        AuditEntry.objects.filter(action__startswith="network.").values_list(
            "action", "actor_name", "details"
        )
    )


def test_adding_changes_the_record_and_leaves_a_trail(number, alice, told):
    added = allowed_networks.add(number, "203.0.113.7", actor=alice, note="ERP")
    assert (added.number, added.network, added.note) == (number, "203.0.113.7", "ERP")
    details = {"network": "203.0.113.7", "note": "ERP"}
    assert trail() == [("network.added", "alice@example.org", details)]
    assert told == [number.pk]


def test_removing_changes_the_record_and_leaves_a_trail(number, alice, told):
    added = allowed_networks.add(number, "203.0.113.7", actor=alice)
    assert allowed_networks.remove(number, added.pk, actor=alice) == "203.0.113.7"
    assert trail()[-1] == ("network.removed", "alice@example.org", {"network": "203.0.113.7"})
    assert told == [number.pk, number.pk]
    assert not AllowedNetwork.objects.exists()


def test_what_is_gone_already_is_removed_by_nobody(number, alice, told):
    assert allowed_networks.remove(number, 4711, actor=alice) is None
    assert (trail(), told) == ([], [])


def test_another_numbers_row_is_not_there(number, charlies_number, alice, charlie):
    theirs = allowed_networks.add(charlies_number, "203.0.113.7", actor=charlie)
    assert allowed_networks.remove(number, theirs.pk, actor=alice) is None
    assert AllowedNetwork.objects.get() == theirs


def test_the_same_network_is_on_the_list_once(number, alice):
    allowed_networks.add(number, "203.0.113.7", actor=alice)
    with pytest.raises(NetworkRefused, match="already"):
        allowed_networks.add(number, "203.0.113.7", actor=alice)


def test_there_is_room_for_so_many_rows(number, alice, monkeypatch):
    monkeypatch.setattr(allowed_networks, "NETWORKS_AT_MOST", 2)
    allowed_networks.add(number, "203.0.113.7", actor=alice)
    allowed_networks.add(number, "203.0.113.8", actor=alice)
    with pytest.raises(NetworkRefused, match="2 rows"):
        allowed_networks.add(number, "203.0.113.9", actor=alice)
    assert number.networks.count() == 2


def test_of_a_closed_number_nothing_changes(alice):
    closed = factories.number(owner=alice, state=State.CLOSED)
    row = closed.networks.create(network="203.0.113.7")
    with pytest.raises(EditRefused):
        allowed_networks.add(closed, "203.0.113.8", actor=alice)
    with pytest.raises(EditRefused):
        allowed_networks.remove(closed, row.pk, actor=alice)
    assert closed.networks.count() == 1


def add_apart(number) -> bool:
    try:
        allowed_networks.add(number, "203.0.113.7", actor=number.owner)
    except NetworkRefused:
        return False
    finally:
        close_old_connections()
    return True


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_the_same_at_once_one_does(number):
    with ThreadPoolExecutor(5) as pool:
        added = list(pool.map(add_apart, [number] * 5))
    assert (added.count(True), AllowedNetwork.objects.count()) == (1, 1)
