"""usage: what the calls of a month have used, to the token."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone

from bots import months
from bots.models import Budget, LedgerEntry
from bots.tabs import Rate
from tests.bots.spending import spend

pytestmark = pytest.mark.django_db


def usage(client, **query):
    answer = client.get("usage", query)
    assert answer.status_code == 200
    return answer.json()["result"]


def last_month() -> datetime:
    return months.midnight(months.month_of(timezone.now())) - timedelta(minutes=1)


@pytest.fixture
def spent(number):
    """Three calls of this month, and one of the last."""
    spend(number, 100, 50, model="big", rate=Rate(2_500_000, 10_000_000))
    spend(number, 7, 3, channel="web", state="cancelled", is_estimated=True)
    spend(number, 0, 0, state="failed")
    spend(number, 1_000, 1, at=last_month())


def test_it_tells_this_months_sums(client_of_alice, spent):
    totals = usage(client_of_alice)["totals"]
    assert totals["calls"] == {"used": 1, "cancelled": 1, "failed": 1, "unknown": 0}
    assert (totals["promptTokens"], totals["completionTokens"]) == (107, 53)
    assert (totals["totalTokens"], totals["estimatedTokens"]) == (160, 10)


def test_the_cost_is_exact(client_of_alice, spent):
    assert usage(client_of_alice)["totals"]["cost"] == "0.000750000029"


def test_it_adds_up_to_the_ledger(client_of_alice, spent):
    told = usage(client_of_alice, month=f"{last_month():%Y-%m}")["totals"]
    entries = LedgerEntry.objects.filter(at__lte=last_month())
    summed = entries.aggregate(prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens"))
    assert (told["promptTokens"], told["completionTokens"]) == (1_000, 1) == (*summed.values(),)


@pytest.mark.parametrize("part", ["days", "models", "channels"])
def test_each_part_adds_up_to_the_totals(client_of_alice, spent, part):
    told = usage(client_of_alice)
    for name in ("promptTokens", "completionTokens", "totalTokens", "estimatedTokens"):
        assert sum(each[name] for each in told[part]) == told["totals"][name]


def test_what_has_used_most_is_first(client_of_alice, spent):
    told = usage(client_of_alice)
    assert [each["model"] for each in told["models"]] == ["big", "echo"]
    assert [each["channel"] for each in told["channels"]] == ["ddio", "web"]


def test_a_month_without_a_call_is_empty(client_of_alice, spent):
    told = usage(client_of_alice, month="2001-01")
    assert (told["month"], told["days"], told["totals"]["cost"]) == ("2001-01", [], "0.00")


@pytest.mark.parametrize("month", ["2026", "2026-13", "2026-1", "1999-12", "x", "2026-11-01"])
def test_it_refuses_what_is_no_month(client_of_alice, month):
    answer = client_of_alice.get("usage", {"month": month})
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert "month" in answer.json()["fields"]


def test_without_a_budget_there_is_none(client_of_alice):
    budget = usage(client_of_alice)["budget"]
    assert (budget["tokens"], budget["money"]) == (None, None)


def test_it_tells_what_is_left_of_the_budget(client_of_alice, number, spent):
    Budget.objects.create(number=number, tokens=1_000, micros=1_000)
    spend(number, 40, 60, state="reserved", rate=Rate(1_000_000, 1_000_000))
    budget = usage(client_of_alice, month="2026-01")["budget"]
    assert budget["tokens"] == {"limit": 1000, "spent": 160, "reserved": 100, "remaining": 740}
    assert budget["money"] == {
        "limit": "0.001",
        "spent": "0.000750000029",
        "reserved": "0.0001",
        "remaining": "0.000149999971",
    }
    reset = datetime.fromisoformat(budget["resetAt"])
    assert (reset.day, reset.hour) == (1, 0)
    assert reset > timezone.now()


def test_the_currency_is_the_platforms(client_of_alice, settings):
    settings.CURRENCY = "CNY"
    assert usage(client_of_alice)["currency"] == "CNY"


def test_another_numbers_calls_are_not_told(client_of_charlie, charlies_number, spent):
    assert usage(client_of_charlie)["totals"]["totalTokens"] == 0


def test_it_is_for_reading_only(client_of_alice):
    assert client_of_alice.post("usage", {}).status_code == 405


def test_it_costs_the_same_for_twice_as_many_calls(
    client_of_alice, number, spent, django_assert_num_queries
):
    usage(client_of_alice)
    with django_assert_num_queries(2):
        usage(client_of_alice)
    spend(number)
    with django_assert_num_queries(2):
        usage(client_of_alice)
