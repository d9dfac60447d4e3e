"""The page of the IP list: who called, from where, and what a change of the list would do."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from portal.models import AllowedNetwork, AuditEntry, State
from tests import factories
from tests.conftest import page

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.4"


@pytest.fixture
def path(number) -> str:
    return reverse("number-addresses", args=[number.app_id])


def listed() -> list[str]:
    return list(AllowedNetwork.objects.order_by("pk").values_list("network", flat=True))


def after(response, client: Client) -> str:
    """The page that the answer leads to."""
    assert response.status_code == 302
    return page(client.get(response["Location"]))


def offered(found: str) -> list[str]:
    return re.findall(r'<input type="hidden" name="network" value="([^"]+)">', found)


def test_an_empty_list_says_that_everybody_may_call(as_alice, path):
    found = page(as_alice.get(path))
    assert "everybody may call" in found
    assert "With the first row all other addresses are refused." in found


def test_it_says_which_address_counts(as_alice, path, settings):
    settings.TRUSTED_PROXIES = []
    assert "TRUSTED_PROXIES is empty" in page(as_alice.get(path))
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    found = page(as_alice.get(path))
    assert "X-Forwarded-For" in found
    assert "TRUSTED_PROXIES is empty" not in found
    assert "10.0.0.1" not in found


def test_a_network_is_added_with_its_note(as_alice, path):
    answer = as_alice.post(path, {"network": " 203.0.113.0/24 ", "note": "ERP <b>"})
    found = after(answer, as_alice)
    assert listed() == ["203.0.113.0/24"]
    assert "ERP &lt;b&gt;" in found
    assert AuditEntry.objects.latest("pk").action == "network.added"


def test_what_is_no_network_keeps_what_was_typed(as_alice, path):
    found = page(as_alice.post(path, {"network": "203.0.113.7/24", "note": "ERP"}))
    assert "Write 203.0.113.0/24 for the whole network" in found
    assert 'value="203.0.113.7/24"' in found
    assert 'value="ERP"' in found
    assert listed() == []


@pytest.mark.parametrize("network", ["", "\0", "x" * 5000, "203.0.113.7\n203.0.113.8", "字"])
def test_nonsense_is_refused(as_alice, path, network):
    assert as_alice.post(path, {"network": network}).status_code == 200
    assert listed() == []


def test_the_same_again_is_refused_beside_the_field(as_alice, path):
    as_alice.post(path, {"network": HERE})
    assert "is on the list already" in page(as_alice.post(path, {"network": HERE}))


# Who called -------------------------------------------------------------------------------------


def test_an_address_that_called_is_added_with_one_click(as_alice, path, number):
    factories.call(number, address=HERE)
    assert offered(page(as_alice.get(path))) == [HERE]
    found = after(as_alice.post(path, {"network": HERE}), as_alice)
    assert listed() == [HERE]
    assert offered(found) == []


def test_what_is_covered_by_a_row_is_not_offered(as_alice, path, number):
    factories.call(number, address=HERE)
    factories.call(number, address=ELSEWHERE, status=403, code=40164, outcome="refused")
    as_alice.post(path, {"network": "203.0.113.0/24"})
    number.networks.create(network="203.0.113.0/24")
    found = page(as_alice.get(path))
    assert offered(found) == [ELSEWHERE]
    assert "refused (40164)" in found


def test_another_numbers_callers_are_not_shown(as_alice, path, charlies_number):
    factories.call(charlies_number, address=ELSEWHERE)
    found = page(as_alice.get(path))
    assert ELSEWHERE not in found
    assert "No system has shown an appSecret or accessToken" in found


# Who would be shut out --------------------------------------------------------------------------


def test_a_first_row_that_shuts_out_the_last_caller_is_asked_about(as_alice, path, number):
    factories.call(number, address=ELSEWHERE)
    found = page(as_alice.post(path, {"network": HERE, "note": "ERP"}))
    assert f"{ELSEWHERE} called last, and would be refused from now on." in found
    assert 'value="ERP"' in found
    assert listed() == []


def test_it_is_added_all_the_same_when_that_is_meant(as_alice, path, number):
    factories.call(number, address=ELSEWHERE)
    after(as_alice.post(path, {"network": HERE, "anyway": ELSEWHERE}), as_alice)
    assert listed() == [HERE]


def test_whoever_called_meanwhile_is_asked_about_anew(as_alice, path, number):
    factories.call(number, address=ELSEWHERE)
    factories.call(number, address="192.0.2.1")
    found = page(as_alice.post(path, {"network": HERE, "anyway": ELSEWHERE}))
    assert "192.0.2.1 called last" in found
    assert listed() == []


def test_a_further_row_shuts_out_nobody(as_alice, path, number):
    number.networks.create(network="192.0.2.1")
    factories.call(number, address=ELSEWHERE, code=40164)
    after(as_alice.post(path, {"network": HERE}), as_alice)
    assert listed() == ["192.0.2.1", HERE]


# Removing ---------------------------------------------------------------------------------------


def removal(row: AllowedNetwork) -> str:
    return reverse("address-remove", args=[row.number.app_id, row.pk])


def test_removing_the_last_row_opens_the_number_and_says_so(as_alice, path, number):
    row = number.networks.create(network=HERE)
    assert "systems may call from everywhere" in page(as_alice.get(path))
    found = after(as_alice.post(removal(row)), as_alice)
    assert "which is empty now: systems may call from everywhere" in found
    assert listed() == []


def test_removing_the_row_of_the_last_caller_says_so_before(as_alice, path, number):
    number.networks.create(network=HERE)
    number.networks.create(network="192.0.2.1")
    factories.call(number, address=HERE)
    found = page(as_alice.get(path))
    assert found.count(f"{HERE}, which called last, is let in by this row alone.") == 1


def test_a_row_that_is_gone_already_is_no_error(as_alice, number):
    row = number.networks.create(network=HERE)
    as_alice.post(removal(row))
    assert "Nothing changed" in after(as_alice.post(removal(row)), as_alice)


def test_a_row_that_no_column_could_hold_is_not_there(as_alice, number):
    path = reverse("address-remove", args=[number.app_id, 10**30])
    assert "Nothing changed" in after(as_alice.post(path), as_alice)


# Whose it is ------------------------------------------------------------------------------------


def test_it_is_the_owners_alone(client, path, number, charlie):
    row = number.networks.create(network=HERE)
    assert client.get(path)["Location"].startswith("/accounts/login/")
    client.force_login(charlie)
    acts = [client.get(path), client.post(path, {"network": ELSEWHERE}), client.post(removal(row))]
    assert [act.status_code for act in acts] == [404] * 3
    assert listed() == [HERE]


def test_a_change_from_another_site_is_refused(path, alice, number):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    row = number.networks.create(network=HERE)
    assert client.post(path, {"network": ELSEWHERE}).status_code == 403
    assert client.post(removal(row)).status_code == 403
    assert listed() == [HERE]


def test_of_a_closed_number_nothing_changes(as_alice, alice):
    closed = factories.number(owner=alice, state=State.CLOSED)
    row = closed.networks.create(network=HERE)
    path = reverse("number-addresses", args=[closed.app_id])
    assert "<form" not in page(as_alice.get(path)).partition('id="main"')[2]
    assert "closed" in page(as_alice.post(path, {"network": ELSEWHERE}))
    assert "closed" in after(as_alice.post(removal(row)), as_alice)
    assert listed() == [HERE]


def test_the_credentials_page_says_how_many_may_call(as_alice, path, number):
    credentials = reverse("number-credentials", args=[number.app_id])
    assert "Everybody who has an appSecret" in page(as_alice.get(credentials))
    number.networks.create(network=HERE)
    number.networks.create(network=ELSEWHERE)
    found = page(as_alice.get(credentials))
    assert "Systems at 2 addresses or networks may call" in found
    assert path in found
