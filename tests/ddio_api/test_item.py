"""chat/feedback/{messageID}: one item, settled or not."""

import time

import pytest

from bots import claims
from bots.faults import FAULTS
from bots.models import Message
from tests import factories
from tests.ddio_api.answers import fail, settle, settled, soon

pytestmark = pytest.mark.django_db
WAITING = pytest.mark.django_db(transaction=True)


def item(client, message, **query):
    return client.get(f"chat/feedback/{message.pk}", query).json()["result"]


def test_a_settled_item_is_the_same_as_in_the_feed(client_of_alice, number):
    message = settled(number)
    feed = client_of_alice.get("chat/feedback").json()["result"]["items"]
    assert [item(client_of_alice, message)] == feed


def test_a_queued_item_has_neither_answer_nor_place(client_of_alice, number):
    found = item(client_of_alice, factories.message(number))
    assert (found["status"], found["answer"], found["seq"]) == ("queued", None, None)
    assert (found["answeredAt"], found["latencyMs"], found["usage"]) == (None, None, None)


def test_a_running_item_shows_no_text_yet(client_of_alice, number):
    message = claims.claim(factories.message(number).pk, "tests")
    found = item(client_of_alice, message)
    assert (found["status"], found["answer"]) == ("running", None)


@pytest.mark.parametrize("code", [code for code in FAULTS if code != 50002])
def test_a_failed_item_says_why(client_of_alice, number, code):
    found = item(client_of_alice, fail(factories.message(number), code))
    assert (found["status"], found["answer"]) == ("failed", None)
    assert found["error"] == {"code": code, "msg": str(FAULTS[code].message)}


def test_a_cancelled_item_keeps_its_partial_text(client_of_alice, number):
    message = settle(factories.message(number), "par", status="cancelled")
    found = item(client_of_alice, message)
    assert (found["status"], found["answer"], found["error"]) == ("cancelled", "par", None)


def test_an_empty_answer_is_an_answer(client_of_alice, number):
    assert item(client_of_alice, settled(number, answer=""))["answer"] == ""


def test_an_answer_without_usage_has_none(client_of_alice, number):
    message = settle(factories.message(number), prompt_tokens=None)
    assert item(client_of_alice, message)["usage"] is None


def test_a_rating_is_part_of_the_item(client_of_alice, number):
    message = settled(number)
    Message.objects.update(rating="like", comment="Right.")
    found = item(client_of_alice, message)
    assert (found["rating"], found["comment"]) == ("like", "Right.")


def test_the_reason_of_a_failure_is_in_the_callers_language(client_of_alice, number):
    message = fail(factories.message(number), 71001)
    answer = client_of_alice.get(f"chat/feedback/{message.pk}", **{"Accept-Language": "zh-CN"})
    assert "API Key" in answer.json()["result"]["error"]["msg"]
    assert "机器人" in answer.json()["result"]["error"]["msg"]


@WAITING
def test_wait_returns_when_it_is_settled(client_of_alice, number):
    message = factories.message(number)
    started = time.monotonic()
    with soon(lambda: settle(message)):
        found = item(client_of_alice, message, wait=10)
    assert found["status"] == "done"
    assert time.monotonic() - started < 2


@WAITING
def test_wait_returns_the_unsettled_item_when_the_time_runs_out(client_of_alice, number):
    assert item(client_of_alice, factories.message(number), wait=0.1)["status"] == "queued"


@pytest.mark.parametrize("absent", ["msg_0", "%00", "a%00b", "%EF%BF%BD", "％", "x" * 500, ".."])
def test_an_id_that_is_none_is_not_found(client_of_alice, absent):
    answer = client_of_alice.get(f"chat/feedback/{absent}")
    assert (answer.status_code, answer.json()["code"]) == (404, 40404)
