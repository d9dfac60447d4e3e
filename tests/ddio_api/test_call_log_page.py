"""The page of the call log: what a number's systems asked, found again by its request id."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ddio_api import call_history
from ddio_api.models import Call, Gap
from tests import factories
from tests.conftest import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(number) -> str:
    return reverse("number-calls", args=[number.app_id])


def shown(client, path: str, **query: object) -> list[int]:
    """The ids of the calls on the page, from the top."""
    return [int(pk) for pk in re.findall(r'id="call-(\d+)"', page(client.get(path, query)))]


def test_a_call_is_found_again_by_the_id_that_its_answer_named(
    calls, client_of_alice, as_alice, path
):
    answer = client_of_alice.get("chat/feedback/msg_0")
    client_of_alice.get("chat/feedback")
    calls.flush()
    found = page(as_alice.get(path, {"request_id": answer["X-Request-ID"]}))
    assert found.count("<tr id=") == 1
    assert "<code>GET /chat/feedback/{message_id}</code>" in found
    assert "404 · 40404" in found
    assert "There is no such message, conversation or path." in found
    assert f'data-copy="{answer["X-Request-ID"]}"' in found


def test_without_a_call_it_leads_to_the_credentials(as_alice, path, number):
    found = page(as_alice.get(path))
    assert "No system has called yet" in found
    assert reverse("number-credentials", args=[number.app_id]) in found


def test_each_outcome_has_a_word(as_alice, path, number):
    for outcome in ("ok", "refused", "failed", "left"):
        factories.call(number, outcome=outcome)
    found = page(as_alice.get(path))
    for word in ("OK", "Refused", "Failed", "Caller left"):
        assert f"</svg> {word}</span>" in found


def test_what_was_no_operation_is_told_as_such(as_alice, path, number):
    factories.call(number, operation="", code=40404)
    factories.call(number, operation="ddio-of-yesterday", code=79999)
    found = page(as_alice.get(path))
    assert "no such path" in found
    assert "ddio-of-yesterday" in found


def test_the_other_doors_are_named(as_alice, path, number):
    factories.call(number, door="wechat")
    assert "WeChat" in page(as_alice.get(path))


def test_another_numbers_calls_are_not_in_it(as_alice, path, charlies_number):
    theirs = factories.call(charlies_number)
    assert shown(as_alice, path) == []
    assert shown(as_alice, path, request_id=theirs.request_id) == []


def test_pages_lead_to_each_other(as_alice, path, number):
    rows = Call.objects.bulk_create(factories.unsaved_call(number) for _ in range(60))
    made = [row.pk for row in rows]
    first = page(as_alice.get(path, {"outcome": "ok"}))
    assert f"?outcome=ok&amp;before={made[35]}" in first
    assert 'rel="prev"' not in first
    assert shown(as_alice, path, before=made[35]) == made[34:9:-1]
    assert f"?after={made[34]}" in page(as_alice.get(path, {"before": made[35]}))
    assert shown(as_alice, path, after=made[34]) == made[:34:-1]


def test_below_the_oldest_there_is_nothing_and_a_way_back(as_alice, path, number):
    oldest = factories.call(number)
    assert "There is nothing older." in page(as_alice.get(path, {"before": oldest.pk}))


@pytest.mark.parametrize(
    "query", [{"before": "-1"}, {"before": "9" * 18}, {"after": "9" * 400}, {"before": "\0"}]
)
def test_a_forged_place_shows_the_newest(as_alice, path, number, query):
    made = [factories.call(number).pk for _ in range(3)]
    assert shown(as_alice, path, **query) == made[::-1]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"request_id": "two words"}, "A request ID has letters"),
        ({"request_id": "x\0"}, "Null characters are not allowed."),
        ({"request_id": "x" * 65}, "A request ID has letters"),
        ({"operation": "ddio-nothing"}, "Select a valid choice."),
        ({"outcome": "fine"}, "Select a valid choice."),
        ({"period": "year"}, "Select a valid choice."),
    ],
)
def test_a_filter_that_cannot_be_is_told_beside_its_field(as_alice, path, query, sentence):
    found = page(as_alice.get(path, query))
    assert sentence in found
    assert "Clear filters" in found


def test_a_period_leaves_what_is_in_it(as_alice, path, number):
    factories.call(number, at=timezone.now() - timedelta(hours=2))
    late = factories.call(number)
    assert shown(as_alice, path, period="hour") == [late.pk]
    assert len(shown(as_alice, path, period="day")) == 2


def test_a_filter_that_matches_nothing_can_be_cleared(as_alice, path, number):
    factories.call(number)
    found = page(as_alice.get(path, {"outcome": "failed"}))
    assert "No call matches these filters." in found


def test_a_walk_that_ended_early_says_so(as_alice, path, number, monkeypatch):
    monkeypatch.setattr(call_history, "WALK_AT_MOST", 5)
    [factories.call(number) for _ in range(9)]
    found = page(as_alice.get(path, {"outcome": "failed"}))
    assert "Looked through 5 calls." in found
    assert "No call matches" not in found
    assert 'rel="next"' in found


def test_it_tells_when_calls_could_not_be_recorded(as_alice, path, number):
    factories.call(number, at=timezone.now() - timedelta(hours=1))
    began = timezone.now() - timedelta(minutes=30)
    Gap.objects.create(began=began, ended=began, calls=1234)
    found = page(as_alice.get(path))
    assert "Some calls could not be recorded here" in found
    assert "1234" not in found  # of all numbers together: the operator's business


def test_it_says_how_long_calls_are_kept(as_alice, path, settings):
    settings.CALL_LOG_DAYS = 9
    assert "Calls are kept for 9 days." in page(as_alice.get(path))


def test_it_costs_as_many_queries_for_a_page_of_calls_as_for_one(as_alice, path, number):
    factories.call(number)
    with CaptureQueriesContext(connection) as for_one:
        as_alice.get(path)
    [factories.call(number) for _ in range(24)]
    with CaptureQueriesContext(connection) as for_many:
        as_alice.get(path)
    assert len(for_many) == len(for_one)


def test_it_is_the_owners_alone(client, path, charlie):
    assert client.get(path)["Location"].startswith("/accounts/login/")
    client.force_login(charlie)
    assert client.get(path).status_code == 404


def test_it_is_read_only(as_alice, path):
    assert as_alice.post(path).status_code == 405
