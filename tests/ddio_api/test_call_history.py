"""Reading and forgetting: pages by place, walks of bounded length, and one index for each."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ddio_api import call_history, tasks
from ddio_api.call_history import Filters, Look
from ddio_api.models import Call, Gap
from tests import factories

pytestmark = pytest.mark.django_db
MANY = 100_000
MANY_MADE = 1600


def many(number, count: int, **fields) -> list[int]:
    rows = [factories.unsaved_call(number, **fields) for _ in range(count)]
    return [row.pk for row in Call.objects.bulk_create(rows)]


def ids(number, **place) -> list[int]:
    return [call.pk for call in call_history.look(Look(number.pk, limit=10, **place)).calls]


# Pages ------------------------------------------------------------------------------------------


def test_the_newest_is_on_top_and_older_leads_down(number):
    made = many(number, 25)
    first = call_history.look(Look(number.pk, limit=10))
    assert [call.pk for call in first.calls] == made[:14:-1]
    assert ids(number, before=first.older) == made[14:4:-1]


def test_newer_leads_back_the_same_way(number):
    made = many(number, 25)
    middle = call_history.look(Look(number.pk, limit=10, before=made[10]))
    assert [call.pk for call in middle.calls] == made[9::-1]
    assert ids(number, after=middle.newer) == made[19:9:-1]
    assert ids(number, after=made[19]) == made[:14:-1]


@pytest.mark.parametrize("place", [{"before": 10**18}, {"after": 0}, {"after": 10**18}])
def test_a_strange_place_shows_the_newest(number, place):
    made = many(number, 3)
    view = call_history.look(Look(number.pk, limit=10, **place))
    assert ([call.pk for call in view.calls], view.newer) == (made[::-1], None)


def test_another_numbers_calls_are_not_in_it(number, charlies_number):
    many(charlies_number, 3)
    many(None, 3)
    assert ids(number) == []


@pytest.mark.parametrize(
    "filters",
    [
        Filters(request_id="req_wanted"),
        Filters(operation="ddio-token"),
        Filters(outcome="failed"),
        Filters(request_id="req_wanted", operation="ddio-token", outcome="failed"),
    ],
)
def test_each_filter_leaves_what_it_names(number, filters):
    many(number, 3)
    facts = {"request_id": "req_wanted", "operation": "ddio-token", "outcome": "failed"}
    wanted = factories.call(number, **facts)
    many(number, 3)
    assert ids(number, filters=filters) == [wanted.pk]


def test_a_time_leaves_what_ended_since(number):
    hour_ago = timezone.now() - timedelta(hours=1)
    many(number, 3, at=hour_ago - timedelta(minutes=30))
    late = factories.call(number, at=hour_ago - timedelta(minutes=2))  # written out of order
    wanted = many(number, 2, at=hour_ago + timedelta(minutes=1))
    assert ids(number, filters=Filters(since=hour_ago)) == wanted[::-1]
    assert late.pk < wanted[0]


def test_a_filter_that_matches_nothing_walks_so_far_and_no_farther(number, monkeypatch):
    monkeypatch.setattr(call_history, "WALK_AT_MOST", 20)
    made = many(number, 45)
    failed = Filters(outcome="failed")
    view = call_history.look(Look(number.pk, filters=failed))
    assert (view.calls, view.is_partial, view.older) == ([], True, made[25])
    last = call_history.look(Look(number.pk, before=made[4], filters=failed))
    assert (last.is_partial, last.older) == (False, None)


def test_upwards_it_walks_no_farther_either(number, monkeypatch):
    monkeypatch.setattr(call_history, "WALK_AT_MOST", 20)
    made = many(number, 45)
    view = call_history.look(Look(number.pk, after=made[0], filters=Filters(outcome="failed")))
    assert (view.is_partial, view.newer) == (True, made[20])


def test_what_a_filtered_walk_passes_over_is_found_page_by_page(number, monkeypatch):
    monkeypatch.setattr(call_history, "WALK_AT_MOST", 7)
    wanted = factories.call(number, outcome="failed")
    many(number, 30)
    place, found = None, []
    for _page in range(10):
        view = call_history.look(Look(number.pk, before=place, filters=Filters(outcome="failed")))
        found += [call.pk for call in view.calls]
        place = view.older or place
    assert set(found) == {wanted.pk}


# What a page costs --------------------------------------------------------------------------------


@pytest.fixture
def long_log(number, charlies_number) -> None:
    """A hundred thousand calls, of two numbers in turn and of nobody; doubled, which is quick."""
    owners = [number, charlies_number, number, None]
    now = timezone.now()
    rows = [
        factories.unsaved_call(owners[place % 4], at=now - timedelta(minutes=MANY_MADE - place))
        for place in range(MANY_MADE)
    ]
    Call.objects.bulk_create(rows)
    fields = [field.column for field in Call._meta.concrete_fields]
    copied = ", ".join(name for name in fields if name not in ("id", "request_id"))
    with connection.cursor() as cursor:
        for time in range(6):
            cursor.execute(
                f"INSERT INTO ddio_api_call ({copied}, request_id)"
                f" SELECT {copied}, 'req_{time}_' || id FROM ddio_api_call"
            )
        cursor.execute("ANALYZE ddio_api_call")
    assert Call.objects.count() >= MANY


def plans_of(act) -> list[str]:
    """The plan of each query that reads the log."""
    with CaptureQueriesContext(connection) as captured:
        act()
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    plans = []
    with connection.cursor() as cursor:
        for query in captured:
            cursor.execute(explain + query["sql"])
            plans.append("\n".join(str(line) for line in cursor.fetchall()))
    return plans


COSTLY = ("SCAN ddio_api_call'", "TEMP B-TREE", "Seq Scan", "Sort ", "Sort(")


def test_a_page_of_a_long_log_is_one_walk_of_an_index(long_log, number):
    last = Call.objects.latest("pk").pk
    looks = [
        Look(number.pk),
        Look(number.pk, before=last - MANY // 2),
        Look(number.pk, after=last - MANY // 2),
        Look(number.pk, filters=Filters(request_id="req_of_nobody")),
        Look(number.pk, filters=Filters(outcome="failed")),
        Look(number.pk, filters=Filters(operation="ddio-token")),
        Look(number.pk, filters=Filters(since=timezone.now() - timedelta(hours=1))),
    ]
    acts = [lambda wanted=wanted: call_history.look(wanted) for wanted in looks]
    plans = [plan for act in acts for plan in plans_of(act)]
    plans += plans_of(lambda: call_history.seen_lately(number.pk))
    assert len(plans) >= len(looks)
    assert [plan for plan in plans for word in COSTLY if word in plan] == []


# Gaps -------------------------------------------------------------------------------------------


def gap(hours_ago: int) -> Gap:
    began = timezone.now() - timedelta(hours=hours_ago)
    return Gap.objects.create(began=began, ended=began + timedelta(minutes=1), calls=3)


def test_a_page_tells_of_the_gaps_in_its_time(number):
    for hours in (8, 2, 1):
        factories.call(number, at=timezone.now() - timedelta(hours=hours))
    within = gap(4)
    gap(30)
    view = call_history.look(Look(number.pk))
    assert call_history.gaps_within(view, is_top=True) == [within]


def test_the_newest_page_tells_of_a_gap_after_its_newest_call(number):
    factories.call(number, at=timezone.now() - timedelta(hours=5))
    after = gap(2)
    view = call_history.look(Look(number.pk))
    assert call_history.gaps_within(view, is_top=True) == [after]
    assert call_history.gaps_within(view, is_top=False) == []


# Addresses --------------------------------------------------------------------------------------


def test_each_address_is_seen_once_with_its_last_call(number):
    factories.call(number, address="203.0.113.7", code=0)
    factories.call(number, address="198.51.100.4", code=0)
    factories.call(number, address="203.0.113.7", code=40164)
    seen = [(each.address, each.is_refused) for each in call_history.seen_lately(number.pk)]
    assert seen == [("203.0.113.7", True), ("198.51.100.4", False)]


@pytest.mark.parametrize("code", [40125, 40001, 41001, 42001, 45011, 47001, -1])
def test_who_has_shown_no_secret_is_not_offered_for_the_list(number, code):
    factories.call(number, code=code)
    assert call_history.seen_lately(number.pk) == []


# Forgetting -------------------------------------------------------------------------------------


def age(days: float) -> dict:
    return {"at": timezone.now() - timedelta(days=days)}


def test_what_is_older_than_the_days_is_forgotten(number, settings):
    settings.CALL_LOG_DAYS = 3
    many(number, 2, **age(3.1))
    kept = many(number, 2, **age(2.9))
    gap(24 * 4)
    tasks.tidy()
    assert list(Call.objects.order_by("pk").values_list("pk", flat=True)) == kept
    assert not Gap.objects.exists()


def test_of_more_rows_than_there_is_room_for_the_oldest_go(number, settings):
    settings.CALL_LOG_ROWS = 5
    made = many(number, 12)
    tasks.tidy()
    assert list(Call.objects.order_by("pk").values_list("pk", flat=True)) == made[-5:]


def test_it_deletes_in_batches(number, monkeypatch):
    monkeypatch.setattr(call_history, "BATCH", 10)
    many(number, 25, **age(40))
    with CaptureQueriesContext(connection) as captured:
        assert call_history.forget_old() == 25
    deletions = [
        query["sql"] for query in captured if 'DELETE FROM "ddio_api_call"' in query["sql"]
    ]
    assert len(deletions) == 4  # 10, 10, 5, and none beyond the rows


def test_one_run_does_not_go_on_for_ever(number, monkeypatch):
    monkeypatch.setattr(call_history, "BATCH", 5)
    monkeypatch.setattr(call_history, "BATCHES_AT_MOST", 2)
    many(number, 25, **age(40))
    assert call_history.forget_old() == 10


def test_a_deletion_finds_its_rows_by_an_index(long_log):
    rows: QuerySet[Call] = Call.objects.filter(at__lt=timezone.now() - timedelta(days=30))
    plan = rows.order_by("at").values("pk")[: call_history.BATCH].explain()
    assert "call_by_time" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan
