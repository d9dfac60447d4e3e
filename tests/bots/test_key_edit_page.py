"""Changing a bound key: a new address asks for the key again, and nothing shows the old one."""

import pytest
from django.urls import reverse

from bots import keys
from bots.key_forms import EditForm
from bots.models import ApiKey, KeyStatus, KeyVerdict
from portal.models import AuditEntry, State
from tests import factories
from tests.bots import talking
from tests.conftest import page

pytestmark = pytest.mark.django_db

GOOD = "sk-good-1234567890abcdef"
OTHER = "sk-other-1234567890abcdef"
URL = "https://api.example.com/v1"


@pytest.fixture
def key(number) -> ApiKey:
    return factories.key(number, URL, GOOD, label="Main")


def edit(key: ApiKey) -> str:
    return reverse("key-edit", args=[key.number.app_id, key.pk])


def change(key: ApiKey, **fields: object) -> dict[str, object]:
    kept = {"label": key.label, "priority": 0, "weight": 1, "base_url": key.base_url}
    return kept | {"api_key": ""} | fields


def test_it_changes_label_and_turn_and_keeps_the_key(as_alice, key):
    as_alice.post(edit(key), change(key, label="Spare", priority=3, weight=2))
    key.refresh_from_db()
    assert (key.label, key.priority, key.weight) == ("Spare", 3, 2)
    assert key.status == KeyStatus.VALID
    assert key.open() == (URL, GOOD)
    changes = AuditEntry.objects.get(action="key.edited").details["changes"]
    assert changes == {"label": ["Main", "Spare"], "priority": [0, 3], "weight": [1, 2]}


def test_a_new_base_url_needs_the_key_again(as_alice, key):
    shown = page(as_alice.post(edit(key), change(key, base_url="https://b.example/v1")))
    key.refresh_from_db()
    assert "Type the key again: it goes to a new address." in shown
    assert key.open() == (URL, GOOD)


def test_with_the_key_typed_again_it_moves_and_is_checked(as_alice, key):
    moved = change(key, base_url="https://b.example/v1/", api_key=OTHER)
    as_alice.post(edit(key), moved)
    key.refresh_from_db()
    assert key.open() == ("https://b.example/v1", OTHER)
    assert (key.status, key.mask) == (KeyStatus.PENDING, "sk-…cdef")
    assert OTHER not in str(AuditEntry.objects.get(action="key.edited").details)


def test_a_key_that_moved_meanwhile_does_not_move_back_without_the_key(as_alice, key, alice):
    moved = keys.Edit(label="", base_url="https://b.example/v1", api_key=OTHER)
    keys.edit(key, moved, actor=alice)
    with pytest.raises(keys.KeyNeededAgain):
        keys.edit(key, keys.Edit(label="", base_url=URL), actor=alice)


def test_it_refuses_a_base_url_that_may_not_be_called(as_alice, key):
    bad = change(key, base_url="http://127.0.0.1/v1", api_key=OTHER)
    shown = page(as_alice.post(edit(key), bad))
    assert "OUTBOUND_ALLOW" in shown
    assert OTHER not in shown


def test_it_does_not_become_a_key_that_is_bound_already(as_alice, key):
    factories.key(key.number, URL, OTHER, label="Second")
    shown = page(as_alice.post(edit(key), change(key, api_key=OTHER)))
    assert "bound already: Second" in shown


@pytest.mark.parametrize("priority", ["-1", "100", "1e3", "", "\0"])
def test_it_refuses_a_bad_priority(as_alice, key, priority):
    response = as_alice.post(edit(key), change(key, priority=priority))
    assert response.status_code == 200
    assert "is-invalid" in page(response)


@pytest.mark.parametrize("part", [keys.LOCAL, keys.SANDBOX])
def test_of_a_part_of_the_platform_only_the_label_changes(as_alice, number, alice, part):
    key = keys.bind(number, part, "", actor=alice)
    as_alice.post(edit(key), change(key, label="Demo", base_url=URL, api_key=GOOD))
    key.refresh_from_db()
    assert (key.label, key.is_built_in, key.base_url, key.sealed) == ("Demo", True, "", "")


@pytest.fixture
def judged(key) -> ApiKey:
    """So often that its history takes two pages."""
    statuses = [KeyStatus.RATE_LIMITED, KeyStatus.VALID] * 11
    rows = [KeyVerdict(key=key, status=each, evidence=f"seen {at}.") for at, each in
            enumerate(statuses)]  # fmt: skip
    KeyVerdict.objects.bulk_create(rows)
    return key


def test_the_edit_page_shows_the_newest_verdicts(as_alice, judged):
    shown = page(as_alice.get(edit(judged)))
    assert "seen 21." in shown
    assert "seen 2." in shown
    assert "seen 1." not in shown
    assert GOOD not in shown


def test_older_verdicts_are_a_page_further(as_alice, judged):
    oldest_shown = KeyVerdict.objects.get(evidence="seen 2.").pk
    assert f"?before={oldest_shown}" in page(as_alice.get(edit(judged)))
    shown = page(as_alice.get(edit(judged), {"before": oldest_shown}))
    assert ("seen 1." in shown, "seen 0." in shown, "seen 2." in shown) == (True, True, False)


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "\0"])
def test_a_place_in_the_history_that_is_none_is_the_beginning(as_alice, judged, before):
    assert "seen 21." in page(as_alice.get(edit(judged), {"before": before}))


def test_a_key_that_is_removed_meanwhile_is_not_found(as_alice, key, alice, monkeypatch):
    def wanted(form):
        keys.remove(key, actor=alice)
        return keys.Edit(label="Mine", base_url=URL)

    monkeypatch.setattr(EditForm, "wanted", wanted)
    assert as_alice.post(edit(key), change(key)).status_code == 404


def test_a_closed_numbers_key_stays_as_it_is(as_alice, key):
    talking.in_state(key.number, State.CLOSED)
    shown = page(as_alice.post(edit(key), change(key, label="Mine")))
    assert "Nothing was saved: the service number is closed." in shown
    assert ApiKey.objects.get().label == "Main"
