"""A blocked answer at each door: the real filter, worker and streams, and how each door says it."""

import json

import pytest

from bots import faults
from bots.models import Message, Robot
from portal.hold import in_thread
from tests import factories
from tests.bots.at_work import answer_now
from tests.bots.test_safety import block
from tests.ddio_api.answers import names, read_while, settle, text_of
from tests.ddio_api.openai_client import Streamed
from tests.ddio_api.test_openai_stream import streamed_while
from tests.journals import write

pytestmark = pytest.mark.django_db(transaction=True)
ERROR = {"code": 87014, "msg": str(faults.FAULTS[faults.BLOCKED].message)}


def blocked(message: Message) -> Message:
    return settle(message, None, status="failed", error_code=faults.BLOCKED)


async def begun_and_blocked(message: Message) -> None:
    await write(message, ["It is ", "often said "])
    await in_thread(blocked, message)


def test_the_item_says_that_it_was_blocked_not_why(client_of_alice, number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "敏感词")
    message = factories.message(number, "敏 感 词")
    answer_now(worker, message.pk)
    response = client_of_alice.get(f"chat/feedback/{message.pk}")
    item = response.json()["result"]
    assert (item["status"], item["answer"], item["error"]) == ("failed", None, ERROR)
    assert "敏感词" not in response.content.decode()


def test_a_ddio_reader_is_told_to_forget_and_then_the_item(number):
    message = factories.message(number)

    async def tell() -> None:
        await begun_and_blocked(message)

    seen = read_while(message, tell)
    assert names(seen[-2:]) == ["reset", "done"]
    assert (seen[-1].data["error"], text_of(seen[-2:])) == (ERROR, "")


def test_the_openai_door_answers_400_content_filter(openai_of_alice, number, upstream, worker):
    factories.key(number, upstream.url)
    block(number, "hello")
    held = openai_of_alice.hold()
    answer_now(worker, Message.objects.get().pk)
    response = openai_of_alice._finished(held)
    error = json.loads(response.content)["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["code"] == "content_filter"


def test_a_stream_of_the_openai_door_ends_with_content_filter(openai_of_alice):
    seen: Streamed = streamed_while(openai_of_alice, begun_and_blocked)
    assert (seen.error["type"], seen.error["code"]) == ("invalid_request_error", "content_filter")
    assert not seen.is_done


def test_no_door_shows_a_part_of_the_word(openai_of_alice, number, upstream, worker):
    factories.key(number, upstream.url)
    Robot.objects.update(model="slow")
    block(number, "3 4")

    async def tell(message: Message) -> None:
        await in_thread(answer_now, worker, message.pk)

    seen = streamed_while(openai_of_alice, tell)
    assert "1 2 ".startswith(seen.text)  # nothing, should the reader have come late
    assert seen.error["code"] == "content_filter"
