"""The safety page: the words of a number and the provider's moderation."""

import pytest
from django.urls import reverse

from bots.models import BlockedWords, Robot
from portal.models import AuditEntry, State
from tests import factories
from tests.conftest import page

pytestmark = pytest.mark.django_db
FORM = {"words": "# remark\r\n敏感词\r\nbad word\r\n", "moderated": "on"}


@pytest.fixture
def path(number) -> str:
    return reverse("number-safety", args=[number.app_id])


def words() -> list[str]:
    return list(BlockedWords.objects.values_list("words", flat=True))


def test_it_saves_what_was_typed(as_alice, path):
    response = as_alice.post(path, FORM)
    assert (response.status_code, response["Location"]) == (302, path)
    assert words() == ["# remark\n敏感词\nbad word"]
    robot = Robot.objects.get()
    assert (robot.moderated, robot.words_version) == (True, BlockedWords.objects.get().version)


def test_it_says_how_many_words_there_are(as_alice, path):
    assert "Words on your list: 2." in page(as_alice.post(path, FORM, follow=True))


def test_it_shows_the_list_as_it_is(as_alice, path):
    as_alice.post(path, FORM)
    shown = page(as_alice.get(path))
    assert "# remark\n敏感词\nbad word" in shown
    assert "checked" in shown


def test_the_audit_trail_says_how_many_words_not_which(as_alice, path, alice):
    as_alice.post(path, FORM)
    entry = AuditEntry.objects.get(action="words.edit")
    assert (entry.actor, entry.details) == (alice, {"words": [0, 2]})
    edit = AuditEntry.objects.get(action="robot.edit")
    assert edit.details["changes"] == {"moderated": [False, True]}


def test_an_emptied_list_is_no_list(as_alice, path):
    as_alice.post(path, FORM)
    as_alice.post(path, {"words": ""})
    robot = Robot.objects.get()
    assert (robot.words_version, robot.moderated) == (0, False)


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("好词\nx", "“x” cannot be on the list: a single letter or digit"),
        ("C++", "“C++” cannot be on the list"),
        ("…", "“…” cannot be on the list: it holds neither letter nor digit."),
        ("词" * 41, "it is longer than 40 characters."),
        ("词" * 40 + "\n" + "ab\n" * 70_000, "Ensure this value has at most 200000 characters"),
        ("\n".join(f"w{count}" for count in range(20_001)), "At most 20000 words"),
        ("敏\0感", "Null characters are not allowed."),
    ],
)
def test_a_list_that_cannot_be_looked_for_is_refused_and_stays_typed(
    as_alice, path, typed, complaint
):
    response = as_alice.post(path, {"words": typed})
    assert complaint in page(response)
    assert typed.replace("\0", "")[:40] in page(response) or "\0" in typed
    assert words() == []


def test_twenty_thousand_words_fit(as_alice, path):
    typed = "\r\n".join(f"违禁词{count}" for count in range(20_000))
    assert as_alice.post(path, {"words": typed}).status_code == 302


def test_a_closed_number_keeps_its_list(as_alice, path, number):
    factories.put(number, State.CLOSED)
    as_alice.post(path, FORM)
    assert words() == []


def test_without_a_robot_there_is_nothing_to_filter(as_alice, path, number):
    number.robot.delete()
    assert "There is no robot yet" in page(as_alice.get(path))
    as_alice.post(path, FORM)
    assert words() == []


def test_a_stranger_is_sent_to_the_login(client, path):
    response = client.post(path, FORM)
    assert response["Location"].startswith("/accounts/login/")


def test_charlie_finds_nothing_there(client, charlie, path):
    client.force_login(charlie)
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404
    assert words() == []


def test_it_refuses_other_methods(as_alice, path):
    assert as_alice.delete(path).status_code == 405
