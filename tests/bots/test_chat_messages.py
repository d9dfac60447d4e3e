"""Asking, stopping and rating on the chat page."""

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from bots import chat, claims, journal, people
from bots.models import Channel, Conversation, FeedEntry, IdempotencyKey, Message, Person, Status
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.ddio_api.answers import fail, settle


@pytest.fixture
def writer(client, charlie) -> Client:
    client.force_login(charlie)
    return client


def words(answer: HttpResponse) -> str:
    return answer.content.decode()


# Asking ------------------------------------------------------------------------------------------


def test_a_question_becomes_a_pending_message_of_the_web(writer, number, charlie):
    talking.ask(writer, number, "How are you?")
    message = Message.objects.get()
    assert (message.question, message.status, message.channel) == ("How are you?", "queued", "web")
    assert message.person.user == charlie


def test_without_script_the_page_comes_back_at_the_message(writer, number):
    answer = talking.ask(writer, number)
    message = Message.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == f"{talking.conversation_page(message)}#{message.pk}"


def test_the_script_gets_the_message_and_its_conversation(writer, number):
    answer = talking.ask_by_script(writer, number, "Hello <you>")
    message = Message.objects.get()
    fragment = words(answer)
    assert answer.status_code == 200
    assert f'data-conversation-url="{talking.conversation_page(message)}"' in fragment
    assert f'data-stream="{talking.of("chat-stream", message)}"' in fragment
    assert "Hello &lt;you&gt;" in fragment


def test_a_worker_is_nudged(writer, number, nudged, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        talking.ask(writer, number)
    assert nudged == [("bots.tasks.answer", (Message.objects.get().pk, number.pk))]


def test_without_a_conversation_a_new_one_begins(writer, number):
    talking.ask(writer, number, "one")
    talking.ask(writer, number, "two")
    assert Conversation.objects.count() == 2


def test_with_a_conversation_it_goes_on(writer, number):
    talking.ask(writer, number, "one")
    first = Message.objects.get()
    talking.ask(writer, number, "two", conversation=first.conversation_id)
    assert list(first.conversation.messages.values_list("question", flat=True)) == ["one", "two"]


def test_the_same_key_asks_once(writer, number):
    first = talking.ask_by_script(writer, number, key="k" * 32)
    again = talking.ask_by_script(writer, number, key="k" * 32)
    assert Message.objects.count() == 1
    assert [first.status_code, again.status_code] == [200, 200]


def test_the_same_key_for_another_text_is_refused(writer, number):
    talking.ask(writer, number, "one", key="k" * 32)
    answer = talking.ask_by_script(writer, number, "two", key="k" * 32)
    assert answer.status_code == 409
    assert Message.objects.count() == 1


def test_keys_of_two_people_do_not_meet(writer, number, alice):
    talking.ask(writer, number, key="k" * 32)
    writer.force_login(alice)
    assert talking.ask(writer, number, key="k" * 32).status_code == 303
    assert Message.objects.count() == 2


def test_lines_end_as_they_do_everywhere(writer, number):
    talking.ask(writer, number, " one\r\ntwo\rthree ")
    assert Message.objects.get().question == " one\ntwo\nthree "


BAD = [
    ("", "Type a message first."),
    (" \n\t", "Type a message first."),
    ("x" * (chat.QUESTION_LENGTH_AT_MOST + 1), "Shorten it."),
    ("a\x00b", "cannot be stored"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_what_cannot_be_asked_is_refused_with_the_reason(writer, number, text, reason):
    answer = talking.ask_by_script(writer, number, text)
    assert answer.status_code == 400
    assert reason in words(answer)
    assert "chat-refusal" in words(answer)
    assert not Person.objects.exists()


def test_the_longest_message_fits(writer, number):
    text = "字" * chat.QUESTION_LENGTH_AT_MOST
    assert talking.ask(writer, number, text).status_code == 303


def test_half_a_surrogate_pair_is_no_fault_of_the_server(writer, number):
    content = b"message=a%ED%A0%80b"
    address = reverse("chat-ask", args=[number.handle])
    form = "application/x-www-form-urlencoded"
    assert writer.post(address, content, content_type=form).status_code in (303, 400)


def test_without_script_the_typed_text_survives_every_error(writer, number):
    talking.ask(writer, number, "one")
    conversation = Conversation.objects.get().pk
    text = "<b>" + "x" * chat.QUESTION_LENGTH_AT_MOST
    answer = talking.ask(writer, number, text, conversation=conversation)
    page = words(answer)
    assert answer.status_code == 400
    assert escape(text) in page
    assert f'value="{conversation}"' in page
    assert "Shorten it." in page


@pytest.mark.parametrize("key", ["short", "k" * 65, "k\x00" * 8, "<>" * 8])
def test_a_key_that_is_none_asks_for_a_reload(writer, number, key):
    answer = talking.ask_by_script(writer, number, key=key)
    assert answer.status_code == 400
    assert "Reload the page" in words(answer)
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("conversation", ["conv_0", "\x00", "x" * 41])
def test_a_conversation_that_is_none_is_not_gone_on_with(writer, number, conversation):
    answer = talking.ask_by_script(writer, number, conversation=conversation)
    assert answer.status_code in (400, 404)
    assert not Message.objects.exists()


def test_anothers_conversation_is_not_found(writer, number, alice):
    theirs = talking.asked_by(alice, number)
    answer = talking.ask(writer, number, conversation=theirs.conversation_id)
    assert answer.status_code == 404
    assert Message.objects.count() == 1


def test_an_anonymous_is_sent_to_the_login_and_back_to_the_page(client, number):
    answer = talking.ask(client, number)
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"?next=/chat/{number.handle}/")


def test_a_script_whose_session_has_ended_gets_the_way_to_the_login(client, number):
    answer = talking.ask_by_script(client, number)
    assert answer.status_code == 401
    assert "Your text is kept here." in words(answer)


def test_nobody_asks_from_another_site(number, charlie):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(charlie)
    assert talking.ask(strict, number).status_code == 403
    assert not Message.objects.exists()


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_number_that_fell_silent_says_so_and_keeps_the_text(writer, number, charlie, state):
    talking.asked_by(charlie, number)
    talking.in_state(number, state)
    answer = talking.ask(writer, number, "Still there?")
    assert answer.status_code == 409
    assert "Still there?" in words(answer)
    assert "does not answer at present" in words(answer)


def test_too_many_pending_questions_are_refused_for_a_moment(writer, number, settings):
    settings.PENDING_PER_PERSON = 1
    talking.ask(writer, number)
    answer = talking.ask_by_script(writer, number, "two")
    assert (answer.status_code, answer["Retry-After"]) == (429, "5")
    assert "Too many of your questions" in words(answer)


def test_a_person_who_used_the_day_up_is_told_so(writer, number, settings):
    settings.ASKS_PER_PERSON_AND_DAY = 1
    talking.ask(writer, number)
    answer = talking.ask(writer, number, "two")
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert escape("You have used today's 1 question. Come back tomorrow.") in words(answer)


def test_a_number_that_used_the_day_up_is_told_so(writer, number, settings):
    settings.ASKS_PER_NUMBER_AND_DAY = 1
    talking.ask(writer, number)
    assert "The robot has taken its 1 question of today." in words(talking.ask(writer, number))


def test_the_owner_tries_a_draft_in_the_sandbox(client, number, alice):
    talking.in_state(number, State.DRAFT)
    client.force_login(alice)
    talking.ask(client, number)
    assert Message.objects.get().channel == Channel.SANDBOX
    assert Conversation.objects.get().channel == Channel.SANDBOX


def test_a_trial_goes_on_as_one_after_the_approval(client, number, alice):
    trial = talking.asked_by(alice, number, channel=Channel.SANDBOX)
    client.force_login(alice)
    talking.ask(client, number, "two", conversation=trial.conversation_id)
    assert set(Message.objects.values_list("channel", flat=True)) == {Channel.SANDBOX}


# Guests ------------------------------------------------------------------------------------------


@pytest.fixture
def open_number(number):
    return talking.open_to_guests(number)


def test_asking_makes_a_guest_known_by_a_cookie(client, open_number):
    answer = talking.ask(client, open_number)
    assert answer.cookies["guest"]["httponly"]
    person = Person.objects.get()
    assert (person.user, person.open_id[:3]) == (None, "o_g")
    assert client.get(answer["Location"]).status_code == 200


def test_a_guest_stays_the_same_guest(client, open_number):
    talking.ask(client, open_number)
    talking.ask(client, open_number)
    assert Person.objects.count() == 1


def test_a_guests_first_question_sent_twice_is_asked_once(open_number):
    """The first answer, and the cookie in it, got lost."""
    sent = {"key": "k" * 32, "seed": people.new_seed()}
    talking.ask(Client(), open_number, **sent)
    talking.ask(Client(), open_number, **sent)
    assert Message.objects.count() == 1


def test_a_guest_who_used_the_day_up_may_sign_in(client, open_number, settings):
    settings.GUEST_ASKS_PER_DAY = 1
    talking.ask(client, open_number)
    answer = talking.ask_by_script(client, open_number, "two")
    assert answer.status_code == 429
    assert escape("You have used today's 1 question. Sign in for more") in words(answer)
    assert f"{reverse('account_login')}?next=/chat/{open_number.handle}/" in words(answer)


def test_new_cookies_do_not_lift_the_limit_of_an_address(open_number, settings):
    settings.GUEST_ASKS_PER_ADDRESS_AND_DAY = 2
    told = [talking.ask(Client(), open_number).status_code for _ in range(3)]
    assert told == [303, 303, 429]
    assert Person.objects.count() == 2


def test_all_addresses_of_one_ipv6_network_are_one_guests_network(open_number, settings):
    settings.GUEST_ASKS_PER_ADDRESS_AND_DAY = 2
    guests = [Client(REMOTE_ADDR=f"2001:db8::{last}") for last in range(1, 4)]
    answers = [talking.ask_by_script(guest, open_number) for guest in guests]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "Guests in your network have used" in words(answers[2])
    assert talking.ask(Client(REMOTE_ADDR="2001:db8:0:1::1"), open_number).status_code == 303


@pytest.mark.parametrize("was_a_guest_before", [True, False])
def test_whose_session_has_ended_gets_the_way_to_the_login(
    client, open_number, charlie, was_a_guest_before
):
    theirs = talking.asked_by(charlie, open_number)
    _asked = was_a_guest_before and talking.ask(client, open_number)
    before = Message.objects.count()
    answer = talking.ask_by_script(client, open_number, conversation=theirs.conversation_id)
    assert answer.status_code == 401
    assert "Your text is kept here." in words(answer)
    plain = talking.ask(client, open_number, conversation=theirs.conversation_id)
    assert plain["Location"].endswith(f"?next=/chat/{open_number.handle}/")
    assert Message.objects.count() == before


def test_whoever_is_signed_in_is_no_guest(writer, open_number, settings):
    settings.GUEST_ASKS_PER_DAY = settings.GUEST_ASKS_PER_ADDRESS_AND_DAY = 1
    told = [talking.ask(writer, open_number) for _ in range(2)]
    assert [answer.status_code for answer in told] == [303, 303]
    assert "guest" not in told[0].cookies


# One message -------------------------------------------------------------------------------------


def test_a_message_is_a_fragment_for_the_script(writer, number, charlie):
    message = settle(talking.asked_by(charlie, number), "**Fine.**")
    answer = writer.get(talking.of("chat-message", message), headers=talking.SCRIPT)
    assert words(answer).startswith(f'<article class="message" id="{message.pk}"')
    assert "<strong>Fine.</strong>" in words(answer)


def test_a_message_is_a_place_on_the_page_otherwise(writer, number, charlie):
    message = settle(talking.asked_by(charlie, number))
    answer = writer.get(talking.of("chat-message", message))
    assert answer["Location"] == f"{talking.conversation_page(message)}#{message.pk}"


# Stopping ----------------------------------------------------------------------------------------


def test_a_stopped_answer_keeps_what_was_said(writer, number, charlie, monkeypatch):
    message = claims.claim(talking.asked_by(charlie, number).pk, "tests")
    monkeypatch.setattr(journal, "text_so_far", lambda pk, attempt: "Half an ans")
    answer = writer.post(talking.of("chat-stop", message), headers=talking.SCRIPT)
    assert Message.objects.get().status == Status.CANCELLED
    assert "Half an ans" in words(answer)
    assert "Stopped" in words(answer)


def test_an_answer_that_was_done_first_stays(writer, number, charlie):
    message = settle(talking.asked_by(charlie, number), "All of it.")
    answer = writer.post(talking.of("chat-stop", message))
    assert answer.status_code == 303
    assert Message.objects.get().status == Status.DONE


# Rating ------------------------------------------------------------------------------------------


@pytest.fixture
def answered(number, charlie) -> Message:
    return settle(talking.asked_by(charlie, number))


def rate(client: Client, message: Message, **sent: str) -> HttpResponse:
    return client.post(talking.of("chat-rating", message), sent, headers=talking.SCRIPT)


def test_a_like_is_kept_and_shown_as_pressed(writer, answered):
    answer = rate(writer, answered, rating="like")
    assert Message.objects.get().rating == "like"
    assert 'value="" aria-pressed="true" aria-label="Like"' in words(answer)
    assert 'value="dislike" aria-pressed="false" aria-label="Dislike"' in words(answer)


def test_a_dislike_asks_what_was_wrong(writer, answered):
    answer = rate(writer, answered, rating="dislike")
    assert "What was wrong with it?" in words(answer)
    rate(writer, answered, rating="dislike", comment="Too long.")
    assert Message.objects.get().comment == "Too long."


def test_a_rating_can_be_taken_back(writer, answered):
    rate(writer, answered, rating="like")
    rate(writer, answered, rating="")
    assert Message.objects.get().rating == ""
    assert FeedEntry.objects.filter(kind="rating").count() == 2


def test_without_script_the_page_comes_back(writer, answered):
    answer = writer.post(talking.of("chat-rating", answered), {"rating": "like"})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "sent",
    [
        {"rating": "love"},
        {"rating": "\x00"},
        {"rating": "dislike", "comment": "x" * 501},
        {"rating": "dislike", "comment": "\x00"},
    ],
)
def test_a_rating_that_is_none_is_refused(writer, answered, sent):
    assert rate(writer, answered, **sent).status_code == 400
    assert Message.objects.get().rating == ""


def test_a_comment_that_is_too_long_survives(writer, answered):
    answer = rate(writer, answered, rating="dislike", comment="y" * 501)
    assert "y" * 501 in words(answer)
    assert "500 fit" in words(answer)


def test_what_has_no_answer_cannot_be_rated(writer, number, charlie):
    pending = talking.asked_by(charlie, number)
    failed = fail(talking.asked_by(charlie, number, new_conversation=True))
    told = [rate(writer, message, rating="like") for message in (pending, failed)]
    assert [answer.status_code for answer in told] == [409, 409]
    assert "There is no answer here that can be rated." in words(told[0])


def test_a_silent_number_takes_no_ratings(writer, answered, number):
    factories.suspended(number)
    answer = rate(writer, answered, rating="like")
    assert answer.status_code == 409
    sentence = '<p class="chat-refusal">This service number does not answer at present.'
    assert words(answer).startswith(sentence)


def test_without_script_a_refused_rating_shows_the_page_with_the_reason(writer, answered, number):
    factories.suspended(number)
    answer = writer.post(talking.of("chat-rating", answered), {"rating": "like"})
    assert answer.status_code == 409
    assert "chat-refusal" in words(answer)
    assert answered.question in words(answer)
