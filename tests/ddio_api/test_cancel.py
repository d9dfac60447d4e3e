"""chat/cancel: stopping an answer."""

import pytest

from bots import claims, journal, settlement
from bots.models import FeedEntry, Message
from portal import wakeups
from tests import factories
from tests.ddio_api.answers import fail, settle, settled
from tests.ddio_api.test_bad_input import NO_TEXT, UNSTORABLE

pytestmark = pytest.mark.django_db


def cancel(client, message_id):
    return client.post("chat/cancel", {"messageID": message_id})


def test_a_question_in_line_is_cancelled(client_of_alice, number):
    message = factories.message(number)
    answer = cancel(client_of_alice, message.pk)
    assert answer.status_code == 200
    assert answer.json()["result"] == {"messageID": message.pk, "status": "cancelled"}
    assert Message.objects.get().status == "cancelled"


def test_an_answer_being_written_keeps_its_partial_text(client_of_alice, number, monkeypatch):
    message = claims.claim(factories.message(number).pk, "tests")
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: "Half an ans")
    cancel(client_of_alice, message.pk)
    item = client_of_alice.get(f"chat/feedback/{message.pk}").json()["result"]
    assert (item["status"], item["answer"], item["error"]) == ("cancelled", "Half an ans", None)


@pytest.mark.django_db(transaction=True)
def test_the_workers_are_told_to_close_the_upstream(client_of_alice, number, monkeypatch):
    message = claims.claim(factories.message(number).pk, "tests")
    told = []
    monkeypatch.setattr(wakeups, "publish", lambda *channels: told.extend(channels))
    cancel(client_of_alice, message.pk)
    assert settlement.STOPS_CHANNEL in told


def test_cancelling_twice_is_cancelling_once(client_of_alice, number):
    message = factories.message(number)
    first, second = (cancel(client_of_alice, message.pk).json()["result"] for _ in range(2))
    assert first == second
    assert FeedEntry.objects.count() == 1


@pytest.mark.parametrize(("end", "status"), [(settle, "done"), (fail, "failed")])
def test_a_settled_answer_stays_as_it_is(client_of_alice, number, end, status):
    message = end(factories.message(number))
    answer = cancel(client_of_alice, message.pk)
    assert (answer.status_code, answer.json()["result"]["status"]) == (200, status)
    assert Message.objects.get().answer == message.answer


def test_another_apps_message_and_an_absent_one_are_answered_alike(client_of_charlie, number):
    alices, same_id = factories.message(number).pk, {"X-Request-ID": "the-same-request"}
    foreign, absent = (
        client_of_charlie.post("chat/cancel", {"messageID": one}, **same_id)
        for one in (alices, "msg_0")
    )
    assert (foreign.status_code, foreign.json()["code"]) == (404, 40404)
    assert foreign.content == absent.content
    assert Message.objects.get().status == "queued"


@pytest.mark.parametrize("absent", ["x", "msg 1", "％", "../x", "x" * 10_000])
def test_what_is_no_id_is_not_found(client_of_alice, absent):
    assert cancel(client_of_alice, absent).json()["code"] == 40404


@pytest.mark.parametrize("message_id", [*NO_TEXT, *UNSTORABLE, ""], ids=repr)
def test_an_id_of_the_wrong_kind_is_refused_by_name(client_of_alice, message_id):
    answer = cancel(client_of_alice, message_id)
    assert (answer.status_code, answer.json()["code"]) == (400, 47001)
    assert list(answer.json()["fields"]) == ["messageID"]


def test_a_missing_id_is_named(client_of_alice):
    assert list(client_of_alice.post("chat/cancel", {}).json()["fields"]) == ["messageID"]


def test_it_takes_nothing_but_a_post(client_of_alice, number):
    settled(number)
    answer = client_of_alice.call("GET", "chat/cancel")
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)
    assert "POST" in answer.headers["Allow"]
