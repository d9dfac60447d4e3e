"""The feedback page: what the feed holds, the newest first, and the call that fetches the same."""

import html
import re
import shlex

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bots import claims, faults, feed, ratings, settlement
from bots.models import FeedCounter, FeedEntry, Message
from bots.settlement import Outcome
from tests import factories
from tests.conftest import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(number) -> str:
    return reverse("number-feedback", args=[number.app_id])


def shown(client, path: str, **query: object) -> list[int]:
    """The `seq` of the entries on the page, from the top."""
    found = page(client.get(path, query))
    return [int(seq) for seq in re.findall(r'id="seq-(\d+)"', found)]


def settled(number, answer: str = "Hi.", **fields) -> Message:
    """A question that was asked and answered."""
    counted = {"model": "echo", "prompt_tokens": 7, "completion_tokens": 3}
    return _settle(number, Outcome("done", answer, **counted), fields)


def failed(number, code: int = faults.KEY_REFUSED, **fields) -> Message:
    return _settle(number, settlement.failure(code), fields)


def _settle(number, outcome: Outcome, fields) -> Message:
    message = factories.message(number, **fields)
    claimed = claims.claim(message.pk, "tests")
    settlement.settle(claimed, outcome)
    message.refresh_from_db()
    return message


def many(number, count: int) -> None:
    """A feed of so many answers, quickly."""
    message = settled(number)
    rows = [
        FeedEntry(number=number, seq=seq, kind="answer", message=message, person=message.person)
        for seq in range(message.seq + 1, count + 1)
    ]
    FeedEntry.objects.bulk_create(rows)
    FeedCounter.objects.update(last=count)


# What is shown ----------------------------------------------------------------------------------


def test_its_words_are_explained(as_alice, path, number):
    settlement.cancel(factories.message(number))
    found = page(as_alice.get(path))
    assert "open interface (DDIO)" in found
    assert 'title="Its place in the list: what the cursor of the open interface counts"' in found
    assert ">appId</span>" in found


def test_an_empty_feed_leads_to_the_chat(as_alice, path, number):
    found = page(as_alice.get(path))
    assert "Nobody has asked yet" in found
    assert reverse("chat", args=[number.handle]) in found


def test_it_shows_question_answer_model_and_tokens(as_alice, path, number):
    settled(number, "That <b>is</b> so.", text="What?")
    found = page(as_alice.get(path))
    assert "What?" in found
    assert "That &lt;b&gt;is&lt;/b&gt; so." in found
    assert "7 + 3 tokens" in found
    assert "</svg> Done</span>" in found


def test_a_failed_answer_says_why(as_alice, path, number):
    failed(number)
    found = page(as_alice.get(path))
    assert "The provider refused the robot&#x27;s API key." in found
    assert "71002" in found


def test_a_fault_of_tomorrow_is_shown_by_its_number(as_alice, path, number):
    failed(number, 79999)
    assert "Error 79999." in page(as_alice.get(path))


def test_a_rating_is_on_the_answer_and_a_line_of_its_own(as_alice, path, number):
    ratings.rate(settled(number), "dislike", "Wrong & rude.")
    found = page(as_alice.get(path))
    assert found.count("</svg> Dislike</span>") == 2
    assert found.count("Wrong &amp; rude.") == 2
    assert "Rated an earlier answer: Dislike" in found


def test_a_rating_taken_back_says_so(as_alice, path, number):
    message = settled(number)
    ratings.rate(message, "like")
    ratings.rate(message, "")
    assert "Took back the rating" in page(as_alice.get(path))


def test_a_long_open_id_is_shortened_and_copied_whole(as_alice, path, number):
    settled(number, open_id="person-with-a-very-long-name")
    found = page(as_alice.get(path))
    assert ">person-with-a-v…</code>" in found
    assert 'data-copy="person-with-a-very-long-name"' in found


def test_a_long_answer_is_folded_and_never_a_megabyte(as_alice, path, number):
    settled(number, "x" * 200_000)
    found = page(as_alice.get(path))
    assert "192000 more characters" in found
    assert len(found) < 60_000


def test_unsettled_questions_are_not_in_it(as_alice, path, number):
    factories.message(number)
    assert shown(as_alice, path) == []


def test_another_numbers_entries_are_not_in_it(as_alice, path, charlies_number):
    settled(charlies_number)
    assert shown(as_alice, path) == []


# Pages ------------------------------------------------------------------------------------------


def test_the_newest_is_on_top_and_twenty_make_a_page(as_alice, path, number):
    many(number, 45)
    assert shown(as_alice, path) == list(range(45, 25, -1))
    assert shown(as_alice, path, before=26) == list(range(25, 5, -1))
    assert shown(as_alice, path, before=6) == list(range(5, 0, -1))


def test_newer_leads_back_the_same_way(as_alice, path, number):
    many(number, 45)
    assert shown(as_alice, path, after=5) == list(range(25, 5, -1))
    assert shown(as_alice, path, after=25) == list(range(45, 25, -1))


def test_the_links_lead_to_the_neighbouring_pages(as_alice, path, number):
    many(number, 45)
    assert "?before=26" in page(as_alice.get(path))
    assert "after=" not in page(as_alice.get(path))
    middle = page(as_alice.get(path, {"before": 26}))
    assert "?before=6" in middle
    assert "?after=25" in middle


def test_the_last_page_has_no_older_one(as_alice, path, number):
    many(number, 45)
    assert 'rel="next"' not in page(as_alice.get(path, {"before": 6}))


def test_below_the_oldest_there_is_nothing_and_a_way_back(as_alice, path, number):
    many(number, 3)
    assert "There is nothing older." in page(as_alice.get(path, {"before": 1}))
    assert shown(as_alice, path, after=0) == [3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"before": "-1"},
        {"before": "9" * 18},
        {"before": "9" * 19},
        {"before": "x"},
        {"before": "１２"},
        {"before": "\0"},
        {"after": "9" * 18},
        {"after": "9" * 400},
        {"after": "-5"},
        {"before": "2", "after": "2"},
        {"page": "7"},
    ],
)
def test_a_forged_place_shows_the_newest(as_alice, path, number, query):
    many(number, 3)
    assert shown(as_alice, path, **query) == [3, 2, 1]


# Filters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"status": "done"}, [3, 1]),
        ({"status": "failed"}, [2]),
        ({"status": "cancelled"}, []),
        ({"rating": "like"}, [3]),
        ({"rating": "dislike"}, []),
        ({"openID": "bob"}, [4, 3]),
        ({"openID": "bob", "status": "failed"}, []),
        ({"openID": "nobody"}, []),
    ],
)
def test_it_filters_as_the_interface_does(as_alice, path, number, query, found):
    settled(number)
    failed(number)
    ratings.rate(settled(number, open_id="bob"), "like")
    assert shown(as_alice, path, **query) == found


def test_nothing_for_a_filter_offers_to_clear_it(as_alice, path, number):
    settled(number)
    found = page(as_alice.get(path, {"status": "failed"}))
    assert "Nothing matches these filters." in found
    assert f'href="{path}"' in found


@pytest.mark.parametrize(
    "query",
    [
        {"status": "queued"},
        {"status": "\0"},
        {"rating": "love"},
        {"openID": "\0"},
        {"openID": "x" * 65},
    ],
)
def test_a_bad_filter_is_named_beside_its_field(as_alice, path, number, query):
    settled(number)
    response = as_alice.get(path, query)
    assert response.status_code == 200
    assert "is-invalid" in page(response)
    assert 'id="seq-' not in page(response)


def test_the_links_keep_the_filters(as_alice, path, number):
    many(number, 30)
    assert "?status=done&amp;before=11" in page(as_alice.get(path, {"status": "done"}))


def test_a_filter_looks_through_a_bounded_part_of_the_feed(as_alice, path, number, monkeypatch):
    monkeypatch.setattr(feed, "WALK_AT_MOST", 10)
    failed(number)
    many(number, 45)
    found = page(as_alice.get(path, {"status": "failed"}))
    assert 'id="seq-' not in found
    assert "Looked through 10 entries" in found
    assert "?status=failed&amp;before=36" in found
    assert shown(as_alice, path, status="failed", before=6) == [1]


def test_for_a_person_whom_nobody_knows_it_walks_nowhere(as_alice, path, number, monkeypatch):
    monkeypatch.setattr(feed, "WALK_AT_MOST", 10)
    many(number, 45)
    found = page(as_alice.get(path, {"openID": "nobody"}))
    assert "Nothing matches these filters." in found
    assert "Looked through" not in found


def test_upwards_a_filter_is_bounded_too(number, monkeypatch):
    monkeypatch.setattr(feed, "WALK_AT_MOST", 10)
    failed(number)
    many(number, 45)
    wanted = feed.Look(number.pk, after=5, filters=feed.Filters(status="failed"))
    view = feed.look(wanted)
    assert (view.entries, view.older, view.newer, view.is_partial) == ([], 6, 15, True)


# The call ---------------------------------------------------------------------------------------


def command(client, path: str, **query: object) -> str:
    found = re.search(r'<code id="curl">(.*?)</code>', page(client.get(path, query)), re.DOTALL)
    return html.unescape(found[1])


def test_the_command_names_the_door_and_the_page(as_alice, path, number, settings):
    many(number, 45)
    words = shlex.split(command(as_alice, path, before=26, status="done"))
    assert words[:3] == ["curl", "-G", f"{settings.SITE_URL}/platform/api2/chat/feedback"]
    assert words[3:5] == ["-H", "Authorization: Bearer $ACCESS_TOKEN"]
    assert words[6::2] == ["status=done", "cursor=5", "limit=20"]


def test_the_command_fetches_the_same(as_alice, path, number, client_of_alice):
    settled(number, open_id="bob")
    failed(number)
    settled(number, open_id="bob")
    words = shlex.split(command(as_alice, path, openID="bob"))
    query = dict(word.split("=", 1) for word in words[6::2])
    items = client_of_alice.get("chat/feedback", query).json()["result"]["items"]
    assert [item["seq"] for item in items] == [1, 3] == shown(as_alice, path, openID="bob")[::-1]


@pytest.mark.parametrize(
    "open_id",
    ["'; rm -rf ~; '", "$(id)", "`id`", '"; id; "', "@/etc/passwd", "it's"],
)
def test_an_open_id_cannot_break_out_of_the_shells_quotes(as_alice, path, open_id):
    line = command(as_alice, path, openID=open_id)
    assert shlex.split(line)[-1] == f"openID={open_id}"
    assert line.endswith(shlex.quote(f"openID={open_id}"))


@pytest.mark.parametrize("open_id", ["a\nid\n", "a\x03", "\x1b[A", "a\x9b"])
def test_what_would_end_a_quotation_in_a_terminal_is_refused(as_alice, path, open_id):
    assert "An openID has no control characters." in page(as_alice.get(path, {"openID": open_id}))


# Cost and doors ---------------------------------------------------------------------------------


def test_it_costs_the_same_when_the_rows_double(as_alice, path, number):
    settled(number, open_id="first")
    with CaptureQueriesContext(connection) as few:
        as_alice.get(path)
    _more = [settled(number, open_id=f"person {index}") for index in range(9)]
    with CaptureQueriesContext(connection) as more:
        as_alice.get(path)
    assert len(few) == len(more)
    of_feed = [query["sql"] for query in more if "feedentry" in query["sql"]]
    assert len(of_feed) == 1
    assert "OFFSET" not in of_feed[0]


def test_anonymous_people_are_asked_to_log_in(client, path):
    assert client.get(path)["Location"].startswith(reverse("account_login"))


def test_charlie_gets_nothing(client, charlie, path):
    client.force_login(charlie)
    assert client.get(path).status_code == 404


def test_other_methods_are_refused(as_alice, path):
    assert as_alice.post(path).status_code == 405
