"""What the pages show of conversations that were erased: nothing, or calmly that it was so."""

import pytest
from django.urls import reverse

from bots import erasing, overview, people, ratings, review
from bots.models import Channel, Message
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.conftest import page
from tests.ddio_api.answers import settle, settled


@pytest.fixture
def message(number, charlie) -> Message:
    """Charlie's question to Alice's number, answered."""
    return settle(talking.asked_by(charlie, number, "secret?"), "secret")


@pytest.fixture
def reader(client, charlie, message):
    """Charlie's browser, after what he said was erased."""
    erasing.erase(message.person)
    client.force_login(charlie)
    return client


# The chat ---------------------------------------------------------------------------------------


def test_an_erased_conversation_is_not_in_the_chat(reader, number):
    found = page(reader.get(talking.page(number)))
    assert "secret" not in found
    assert "What would you like to know?" in found


def test_an_erased_conversation_has_no_page(reader, message):
    assert reader.get(talking.conversation_page(message)).status_code == 404


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("get", "chat-message"),
        ("get", "chat-stream"),
        ("post", "chat-stop"),
        ("post", "chat-rating"),
    ],
)
def test_an_erased_message_is_behind_no_door(reader, message, method, name):
    assert getattr(reader, method)(talking.of(name, message)).status_code == 404


def test_an_erased_conversation_is_not_gone_on_with(reader, number, message):
    answer = talking.ask(reader, number, "more", conversation=message.conversation_id)
    assert answer.status_code == 404


def test_a_new_one_begins_beside_it(reader, number, message):
    talking.ask(reader, number, "Something new")
    assert Message.objects.latest("asked_at").conversation_id != message.conversation_id
    assert "Something new" in page(reader.get(talking.page(number)))


def test_who_was_erased_has_not_talked_with_a_number_that_is_silent_now(reader, number):
    factories.suspended(number)
    assert reader.get(talking.page(number)).status_code == 404


def test_an_answer_that_was_erased_while_it_was_read_is_not_rated(
    client, charlie, message, monkeypatch
):
    client.force_login(charlie)
    rate = ratings.rate

    def erased_first(found: Message, *args: str) -> bool:
        erasing.erase(found.person)
        return rate(found, *args)

    monkeypatch.setattr(ratings, "rate", erased_first)
    answer = client.post(
        talking.of("chat-rating", message), {"rating": "like"}, headers=talking.SCRIPT
    )
    assert answer.status_code == 409


# The console --------------------------------------------------------------------------------------


@pytest.fixture
def feedback(as_alice, number) -> str:
    """The console's page after a rated answer was erased."""
    message = settled(number, "secret?", "secret")
    ratings.rate(message, "dislike", "secret comment")
    erasing.erase(message.person)
    return page(as_alice.get(reverse("number-feedback", args=[number.app_id])))


def test_the_feedback_page_says_so_in_the_place_of_each_entry(feedback):
    assert feedback.count("Erased on behalf of the person.") == 2
    assert 'id="seq-1"' in feedback
    assert 'id="seq-2"' in feedback


def test_the_feedback_page_shows_no_word_and_no_gap_of_what_was(feedback):
    assert "secret" not in feedback.replace("appSecret", "")
    assert "The answer is empty." not in feedback
    assert "The question was:" not in feedback


def test_the_figures_stay(number, feedback):
    figures = overview.figures(number)
    assert (figures.asked, figures.answered, figures.dislikes) == (1, 1, 1)


def test_an_erased_trial_is_no_moderators_to_read(number, alice):
    talking.in_state(number, State.IN_REVIEW)
    trial = talking.asked_by(alice, number, "secret?", channel=Channel.SANDBOX)
    assert review.dossier(number).sample == [trial]
    erasing.erase(people.of_user(number, alice))
    assert review.dossier(number).sample == []


def test_the_history_names_the_deed_and_the_app(number):
    erasing.erase(settled(number).person)
    deed = review.dossier(number).history[0]
    assert (deed.who, deed.what) == ("app", "a person's conversations erased")
