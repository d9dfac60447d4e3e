"""The usage pages: what was spent adds up, and the owner sets what may be."""

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from bots import ledger_entries, money, months
from bots.models import Budget, LedgerEntry, Price
from bots.tabs import Rate
from portal.models import AuditEntry, State
from tests import factories
from tests.bots.spending import spend
from tests.conftest import page

pytestmark = pytest.mark.django_db

BUDGET = {"tokens": "1000", "micros": "12.5", "person_asks": "", "person_tokens": ""}
PRICE = {"model": "gpt-5-mini", "input": "0.25", "output": "2"}
THIS_MONTH = f"{timezone.now():%Y-%m}"


def path(number, route="number-usage", *more) -> str:
    return reverse(route, args=[number.app_id, *more])


def last_month():
    return months.midnight(months.month_of(timezone.now())) - timedelta(minutes=1)


# What was spent -----------------------------------------------------------------------------------


def test_it_shows_the_months_sums_to_the_last_digit(as_alice, number):
    spend(number, 12_345, 678, rate=Rate(2_500_001, 10_000_000))
    spend(number, 7, 3, is_estimated=True, channel="web")
    shown = page(as_alice.get(path(number)))
    cost = money.cost(12_345 * 2_500_001 + 678 * 10_000_000 + 7 * 2 + 3 * 5)
    for figure in ("12,352", "681", "13,033", "≈ 10", f"{cost} USD"):
        assert f"<dd>{figure}</dd>" in shown


def test_another_month_is_chosen_from_those_with_calls(as_alice, number):
    spend(number, 4_321, 0, at=last_month())
    shown = page(as_alice.get(path(number), {"month": f"{last_month():%Y-%m}"}))
    assert "<dd>4,321</dd>" in shown
    assert shown.count("<option") == 2


@pytest.mark.parametrize("month", ["", "2026-13", "x", "\0", "2026-1", "9999-12", "²026-11"])
def test_a_forged_month_is_this_one(as_alice, number, month):
    shown = page(as_alice.get(path(number), {"month": month}))
    assert f'<option value="{THIS_MONTH}" selected>' in shown


def test_it_shows_the_budget_and_what_is_left_of_it(as_alice, number):
    Budget.objects.create(number=number, tokens=1_000)
    spend(number, 850, 0)
    spend(number, 20, 30, state="reserved")
    shown = page(as_alice.get(path(number)))
    assert "850 of 1,000 tokens" in shown
    assert "nearly used up" in shown
    assert "50 are reserved for calls under way, 100 remain." in shown


def test_a_budget_that_is_spent_says_so(as_alice, number):
    Budget.objects.create(number=number, micros=0)
    assert "used up" in page(as_alice.get(path(number)))


def test_the_pages_are_the_owners_alone(client, charlie, number):
    client.force_login(charlie)
    for route in ("number-usage", "usage-entries", "usage-export", "number-budget"):
        assert client.get(path(number, route)).status_code == 404
    assert client.post(path(number, "price-set"), PRICE).status_code == 404


def test_it_costs_the_same_for_twice_as_many_calls(as_alice, number, django_assert_num_queries):
    spend(number)
    as_alice.get(path(number))
    with django_assert_num_queries(8):
        as_alice.get(path(number))
    spend(number)
    with django_assert_num_queries(8):
        as_alice.get(path(number))


# Every call ---------------------------------------------------------------------------------------


def test_every_call_is_shown_with_its_figures(as_alice, number):
    entry = spend(number, 100, 23, state="cancelled", is_estimated=True, rate=Rate(250_000, 2))
    shown = page(as_alice.get(path(number, "usage-entries")))
    assert "≈ 123" in shown
    assert "100 + 23" in shown
    assert "0.25 / 0.000002" in shown
    assert f"{money.cost(entry.cost)} USD" in shown


def walked(number, page_size, monkeypatch) -> tuple[list[int], list[int]]:
    """All entries by following `older`, and back by following `newer`."""
    monkeypatch.setattr(ledger_entries, "PAGE", page_size)
    of_month = ledger_entries.Month(number, months.month_of(timezone.now()))
    down, up = [], []
    view = ledger_entries.look(of_month, None, None)
    down += [each.pk for each in view.entries]
    while view.older:
        view = ledger_entries.look(of_month, view.older, None)
        down += [each.pk for each in view.entries]
    while view.newer:
        view = ledger_entries.look(of_month, None, view.newer)
        up = [each.pk for each in view.entries] + up
    return down, up


def test_the_pages_show_each_call_once_though_many_are_of_one_moment(number, monkeypatch):
    moment = timezone.now()
    made = [spend(number, at=moment).pk for _ in range(7)]
    down, up = walked(number, 3, monkeypatch)
    assert down == made[::-1]
    assert up == made[::-1][: len(up)]


def test_a_place_that_is_not_there_is_the_top(as_alice, number):
    spend(number)
    shown = as_alice.get(path(number, "usage-entries"), {"before": "999999", "after": "x"})
    assert "10" in page(shown)


def test_a_month_without_calls_says_so(as_alice, number):
    assert "No provider was called" in page(as_alice.get(path(number, "usage-entries")))


def exported(as_alice, number) -> list[dict[str, str]]:
    response = as_alice.get(path(number, "usage-export"))
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_export_has_every_call_of_the_month(as_alice, number, monkeypatch):
    monkeypatch.setattr(ledger_entries, "CHUNK", 2)
    for tokens in range(5):
        spend(number, tokens, 1)
    spend(number, 1_000, 1, at=last_month())
    rows = exported(as_alice, number)
    assert sorted(int(row["prompt_tokens"]) for row in rows) == [0, 1, 2, 3, 4]
    costs = LedgerEntry.objects.exclude(prompt_tokens=1_000).order_by("-at", "-pk")
    assert [row["cost"] for row in rows] == [money.cost(each.cost) for each in costs]


@pytest.mark.parametrize("start", list("=+-@"))
def test_no_cell_of_the_export_begins_a_formula(as_alice, number, start):
    spend(number, model=f"{start}cmd|'/c calc'!A0")
    [row] = exported(as_alice, number)
    assert row["model"] == f"'{start}cmd|'/c calc'!A0"


# What may be spent --------------------------------------------------------------------------------


def test_the_owner_sets_a_budget(as_alice, number, alice):
    response = as_alice.post(path(number, "number-budget"), BUDGET)
    assert response.status_code == 302
    budget = Budget.objects.get()
    assert (budget.tokens, budget.micros, budget.person_asks) == (1_000, 12_500_000, None)
    entry = AuditEntry.objects.get(action="budget.edit")
    assert entry.actor == alice
    assert entry.details["changes"] == {"tokens": [None, 1_000], "micros": [None, 12_500_000]}


def test_a_budget_is_shown_as_it_was_typed_and_taken_away_again(as_alice, number):
    as_alice.post(path(number, "number-budget"), BUDGET)
    assert 'value="12.50"' in page(as_alice.get(path(number, "number-budget")))
    as_alice.post(path(number, "number-budget"), dict.fromkeys(BUDGET, ""))
    assert (Budget.objects.get().tokens, Budget.objects.get().micros) == (None, None)


@pytest.mark.parametrize(
    "bad",
    [{"tokens": "-1"}, {"tokens": "1.5"}, {"micros": "0.0000001"}, {"micros": "NaN"},
     {"person_tokens": "9" * 30}, {"person_asks": "x"}],
)  # fmt: skip
def test_what_is_no_limit_is_refused_beside_its_field(as_alice, number, bad):
    response = as_alice.post(path(number, "number-budget"), BUDGET | bad)
    assert "invalid-feedback" in page(response)
    assert not Budget.objects.exists()


def test_the_owner_sets_changes_and_removes_a_price(as_alice, number):
    as_alice.post(path(number, "price-set"), PRICE)
    as_alice.post(path(number, "price-set"), PRICE | {"output": "0.000001"})
    price = Price.objects.get()
    assert (price.model, price.input, price.output) == ("gpt-5-mini", 250_000, 1)
    as_alice.post(path(number, "price-remove", price.pk))
    assert not Price.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="price").order_by("pk")
    assert [entry.action for entry in actions] == ["price.edit", "price.edit", "price.remove"]


@pytest.mark.parametrize(
    "bad", [{"model": ""}, {"model": "a\u202eb"}, {"input": "-1"}, {"output": ""}, {"input": "1e9"}]
)
def test_what_is_no_price_is_refused(as_alice, number, bad):
    shown = page(as_alice.post(path(number, "price-set"), PRICE | bad))
    assert "invalid-feedback" in shown
    assert not Price.objects.exists()


def test_another_numbers_price_cannot_be_removed(as_alice, number, charlies_number):
    price = Price.objects.create(number=charlies_number, model="m", input=1, output=1)
    assert as_alice.post(path(number, "price-remove", price.pk)).status_code == 404
    assert Price.objects.exists()


def test_of_a_closed_number_nothing_is_set(as_alice, alice):
    closed = factories.number("Closed", owner=alice, state=State.CLOSED)
    as_alice.post(path(closed, "number-budget"), BUDGET)
    as_alice.post(path(closed, "price-set"), PRICE)
    assert not Budget.objects.exists()
    assert not Price.objects.exists()


def test_it_warns_where_the_robots_model_has_no_price(as_alice, number):
    assert "has no price" in page(as_alice.get(path(number, "number-budget")))
    Price.objects.create(number=number, model="echo", input=1, output=1)
    assert "has no price" not in page(as_alice.get(path(number, "number-budget")))


@pytest.mark.parametrize(
    ("units", "written"),
    [(0, "0.00"), (1, "0.000000000001"), (10**12, "1.00"), (1_234_500_000_000, "1.2345")],
)
def test_money_is_written_to_the_last_digit(units, written):
    assert money.cost(units) == written
