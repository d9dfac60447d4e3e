"""The chat page: what it shows of a conversation, to whom, and at what cost."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bots import chat_page, faults
from bots.models import Conversation, Message, Person, Robot, Status
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import fail, settle


@pytest.fixture
def reader(client, charlie):
    client.force_login(charlie)
    return client


def answered(user, number, text="Hello?", answer="Hi.", **fields) -> Message:
    return settle(talking.asked_by(user, number, text, **fields), answer)


def html(client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_says_that_the_simulator_answers(reader, number):
    address, words = reverse("chat", args=[number.handle]), "Answers come from the simulator"
    factories.key(number, "", is_sandbox=True)
    assert words in html(reader, address)
    factories.key(number, "https://api.example.com/v1")
    assert words not in html(reader, address)


# The first visit ---------------------------------------------------------------------------------


def test_a_newcomer_is_greeted_and_helped(reader, number):
    questions = [f"Question {index}?" for index in range(6)]
    Robot.objects.update(greeting="Welcome here.", suggested_questions=questions)
    page = html(reader, talking.page(number))
    assert "Welcome here." in page
    assert page.count("chat-suggestion") == 4


def test_a_number_without_a_robot_has_its_page(reader, number):
    Robot.objects.all().delete()
    assert "What would you like to know?" in html(reader, talking.page(number))


def test_the_introduction_stands_under_the_name(reader, number):
    number.introduction = "Small and often wrong."
    number.save()
    assert "Small and often wrong." in html(reader, talking.page(number))


def test_the_composer_has_its_names(reader, number):
    page = html(reader, talking.page(number))
    assert '<label class="visually-hidden" for="id_message">Message</label>' in page
    assert 'id="composer"' in page
    assert "Send</button>" in page
    assert "New conversation</a>" in page


def test_the_chinese_page_has_its_words(reader, number, charlie):
    answered(charlie, number)
    page = reader.get(talking.page(number), headers={"Accept-Language": "zh-CN"})
    assert page["Content-Language"] == "zh-hans"
    assert "AI-generated · AI 生成" in page.content.decode()


# A conversation ----------------------------------------------------------------------------------


def test_question_and_answer_are_shown_as_one_message(reader, number, charlie):
    message = answered(charlie, number, "How **many**?", "**Two**, since 1 < 2.")
    page = html(reader, talking.page(number))
    assert f'data-message-id="{message.pk}"' in page
    assert 'data-status="done"' in page
    assert '<div class="question-text">How **many**?</div>' in page
    assert '<div class="answer-text"><p><strong>Two</strong>, since 1 &lt; 2.</p>' in page


def test_every_answer_is_labelled_as_generated(reader, number, charlie):
    answered(charlie, number, "one")
    answered(charlie, number, "two")
    assert html(reader, talking.page(number)).count("AI-generated · AI 生成") == 2


def test_a_question_is_text_and_nothing_else(reader, number, charlie):
    answered(charlie, number, "<script>alert(1)</script>", "<script>alert(2)</script>")
    page = html(reader, talking.page(number))
    assert "<script>alert" not in page


def test_a_pending_answer_says_what_it_waits_for_and_where_it_streams(reader, number, charlie):
    message = talking.asked_by(charlie, number)
    page = html(reader, talking.page(number))
    assert "In line. The answer begins by itself." in page
    assert f'data-stream="{talking.of("chat-stream", message)}"' in page
    assert f'data-stop="{talking.of("chat-stop", message)}"' in page


def test_without_script_a_pending_answer_can_be_refreshed_and_stopped(reader, number, charlie):
    message = talking.asked_by(charlie, number)
    page = html(reader, talking.conversation_page(message))
    aside = page[page.index("<noscript>") : page.index("</noscript>")]
    assert f'href="{talking.conversation_page(message)}">Refresh' in aside
    assert talking.of("chat-stop", message) in aside


def test_a_question_behind_another_says_so(reader, number, charlie):
    talking.asked_by(charlie, number, "one")
    talking.asked_by(charlie, number, "two")
    talking.asked_by(charlie, number, "three")
    page = html(reader, talking.page(number))
    assert "1 question before this one is answered first." in page
    assert "2 questions before this one are answered first." in page


@pytest.mark.parametrize("code", list(faults.FAULTS))
def test_a_failed_answer_says_why_and_can_be_tried_again(reader, number, charlie, code):
    fail(talking.asked_by(charlie, number, "Say it"), code)
    page = html(reader, talking.page(number))
    assert str(faults.FAULTS[code].message).split("'")[0] in page
    assert "Try again</button>" in page
    assert '<input type="hidden" name="message" value="Say it">' in page


def test_a_stopped_answer_keeps_what_it_said(reader, number, charlie):
    settle(talking.asked_by(charlie, number), "Half an ans", status=Status.CANCELLED)
    page = html(reader, talking.page(number))
    assert "Half an ans" in page
    assert "Stopped</p>" in page


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("length", "The answer has reached its length limit and ends here."),
        ("content_filter", "content rules end the answer here."),
    ],
)
def test_an_answer_that_is_not_whole_says_why(reader, number, charlie, reason, sentence):
    answered(charlie, number)
    assert sentence not in html(reader, talking.page(number))
    Message.objects.update(finish_reason=reason)
    assert sentence in html(reader, talking.page(number))


def test_a_withheld_answer_says_why(reader, number, charlie):
    settle(
        talking.asked_by(charlie, number),
        "",
        status=Status.CANCELLED,
        error_code=faults.WITHHELD,
    )
    page = html(reader, talking.page(number))
    assert "the answer is withheld" in page
    assert "Try again" not in page


def test_a_given_rating_is_shown(reader, number, charlie):
    answered(charlie, number)
    Message.objects.update(rating="dislike", comment="Too short.")
    page = html(reader, talking.page(number))
    assert 'value="" aria-pressed="true" aria-label="Dislike"' in page
    assert "Too short." in page


def test_the_latest_conversation_is_shown_unless_a_new_one_is_wanted(reader, number, charlie):
    answered(charlie, number, "Earlier question")
    assert "Earlier question</div>" in html(reader, talking.page(number))
    fresh = html(reader, talking.page(number) + "?new=1")
    assert "Earlier question</div>" not in fresh
    assert 'name="conversation" id="id_conversation"' in fresh


def test_the_last_fifty_messages_are_shown_and_lead_to_the_earlier_ones(reader, number, charlie):
    first = answered(charlie, number, "question 1.")
    conversation = first.conversation
    rows = [copy_of(first, position) for position in range(2, 61)]
    Message.objects.bulk_create(rows)
    page = html(reader, talking.conversation_page(first))
    assert page.count('<article class="message"') == chat_page.MESSAGES_SHOWN
    assert "?before=11" in page
    earlier = html(reader, talking.conversation_page(first) + "?before=11")
    assert earlier.count('<article class="message"') == 10
    assert "Newest messages" in earlier
    assert conversation.messages.count() == 60


def copy_of(message: Message, position: int) -> Message:
    fields = {field.attname: getattr(message, field.attname) for field in Message._meta.fields}
    return Message(
        **fields | {"id": f"msg_{position}", "position": position, "seq": 1000 + position}
    )


@pytest.mark.parametrize("before", ["x", "-1", "9" * 20, "１", "", "%00"])
def test_a_place_that_is_none_is_not_found(reader, number, charlie, before):
    message = answered(charlie, number)
    address = f"{talking.conversation_page(message)}?before={before}"
    assert reader.get(address).status_code == 404


# Conversations -----------------------------------------------------------------------------------


@pytest.fixture
def many(number, charlie) -> list[Conversation]:
    """Thirty-five conversations, the first of them the newest."""
    person = talking.asked_by(charlie, number).person
    Conversation.objects.all().delete()
    now = timezone.now()
    return [
        Conversation.objects.create(
            number=number, person=person, channel="web", title=f"Talk {index:02}",
            last_at=now - timedelta(hours=index),
        )
        for index in range(35)
    ]  # fmt: skip


def test_thirty_conversations_are_listed_newest_first(reader, number, many):
    page = html(reader, talking.page(number) + "?new=1")
    places = [page.find(f"Talk {index:02}") for index in range(30)]
    assert places == sorted(places)
    assert -1 not in places
    assert "Talk 30" not in page


def test_the_older_ones_are_a_link_away(reader, number, many):
    older = f"?older={many[29].pk}"
    assert older in html(reader, talking.page(number) + "?new=1")
    page = html(reader, talking.page(number) + older)
    assert page.count("Talk 3") == 5
    assert "Older conversations" not in page


@pytest.mark.parametrize("older", ["x", "%00", "conv_0"])
def test_a_list_from_nowhere_is_not_found(reader, number, many, older):
    assert reader.get(f"{talking.page(number)}?older={older}").status_code == 404


def queries(client, address: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        client.get(address)
    return len(seen)


def test_twice_the_rows_cost_the_same_queries(reader, number, charlie):
    message = answered(charlie, number, "one")
    talking.asked_by(charlie, number, "pending")
    few = queries(reader, talking.conversation_page(message))
    answered(charlie, number, "elsewhere", new_conversation=True)
    talking.asked_by(charlie, number, "two", conversation_id=message.conversation_id)
    talking.asked_by(charlie, number, "three", conversation_id=message.conversation_id)
    assert queries(reader, talking.conversation_page(message)) == few


# Owners, silence, guests -------------------------------------------------------------------------


def test_the_owner_gets_to_the_numbers_pages(client, number, alice):
    client.force_login(alice)
    assert reverse("number", args=[number.app_id]) in html(client, talking.page(number))


@pytest.mark.parametrize(
    ("code", "route"),
    [
        (faults.NO_USABLE_KEY, "number-keys"),
        (faults.KEY_REFUSED, "number-keys"),
        (faults.NO_ACCESS, "number-robot"),
    ],
)
def test_the_owner_is_led_to_where_a_failure_is_mended(client, number, alice, code, route):
    fail(talking.asked_by(alice, number), code)
    client.force_login(alice)
    page = html(client, talking.page(number))
    assert f'<a href="{reverse(route, args=[number.app_id])}">' in page
    assert "Its owner" not in page


def test_nobody_else_is_shown_the_way_there(reader, number, charlie):
    fail(talking.asked_by(charlie, number), faults.NO_USABLE_KEY)
    assert number.app_id not in html(reader, talking.page(number))


def test_a_draft_says_that_it_is_a_trial(client, number, alice):
    talking.in_state(number, State.DRAFT)
    client.force_login(alice)
    page = html(client, talking.page(number))
    assert "kept as a trial. Moderators see your last five trials." in page


def test_a_trial_that_goes_on_after_the_approval_says_that_it_remains_one(client, number, alice):
    talking.in_state(number, State.DRAFT)
    client.force_login(alice)
    talking.ask(client, number)
    talking.in_state(number, State.APPROVED)
    assert "began as a trial and remains one" in html(client, talking.page(number))


def test_the_composer_of_a_silent_number_is_switched_off(client, number, alice):
    talking.in_state(number, State.SUSPENDED)
    client.force_login(alice)
    page = html(client, talking.page(number))
    assert page.count(" disabled") >= 2
    assert "New conversation" not in page


def test_a_guest_gets_a_seed_and_no_cookie_by_looking(client, number):
    answer = client.get(talking.page(talking.open_to_guests(number)))
    assert 'name="seed" value="' in answer.content.decode()
    assert "guest" not in answer.cookies
    assert not Person.objects.exists()


# For the script ----------------------------------------------------------------------------------


def test_the_script_gets_the_parts_that_change(reader, number, charlie):
    message = answered(charlie, number)
    answer = reader.get(talking.conversation_page(message), headers=talking.SCRIPT)
    parts = answer.content.decode()
    assert 'data-part="conversations"' in parts
    assert f'data-message-id="{message.pk}"' in parts
    assert "<html" not in parts


def test_a_script_whose_session_has_ended_gets_the_way_to_the_login(client, number):
    answer = client.get(talking.page(number), headers=talking.SCRIPT)
    assert answer.status_code == 401
    assert f"{reverse('account_login')}?next=/chat/{number.handle}/" in answer.content.decode()


def test_pages_carry_no_style_and_no_script_of_their_own(reader, number, charlie):
    answered(charlie, number, "Code?", "```python\nx = 1\n```")
    page = html(reader, talking.page(number))
    assert " style=" not in page
    assert "<script>" not in page


def test_markdown_too_long_to_parse_is_shown(reader, number, charlie):
    answered(charlie, number, "Much?", "word " * 20_000)
    assert "plain-text" in html(reader, talking.page(number))


def test_a_robots_name_is_escaped(client, db):
    made = factories.number("Tom & Jerry")
    client.force_login(made.owner)
    assert "Tom &amp; Jerry" in html(client, talking.page(made))
