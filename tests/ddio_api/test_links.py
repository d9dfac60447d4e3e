"""Links: from each answer that names an id to every call that takes it."""

import pytest

from tests.ddio_api import conformance


def links(operation_id: str, status: str = "200") -> dict[str, dict[str, object]]:
    found = [each for _, _, each in conformance.operations() if each["operationId"] == operation_id]
    return found[0]["responses"][status].get("links", {})


@pytest.mark.parametrize("status", ["200", "202"])
def test_an_ask_leads_to_its_message(status):
    assert links("askRobot", status)["readMessage"] == {
        "operationId": "readMessage",
        "parameters": {"path.message_id": "$response.body#/result/messageID"},
    }


def test_the_feed_leads_to_the_stream_of_its_first_item():
    parameters = links("readFeed")["streamMessage"]["parameters"]
    assert parameters == {"path.message_id": "$response.body#/result/items/0/messageID"}


def test_no_call_leads_to_itself():
    own = [each["operationId"] for _, _, each in conformance.operations()]
    assert [name for name in own if name in links(name)] == []


def test_what_names_no_id_leads_nowhere():
    assert links("takeToken") == {}
