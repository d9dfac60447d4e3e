"""The list of one's service numbers, with their health at a glance."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bots.models import ApiKey, KeyStatus, Message
from portal.models import State
from tests import factories
from tests.bots.test_overview import settled

PAGE = "/console/"


@pytest.fixture
def owner(client, alice):
    client.force_login(alice)
    return alice


def page(client) -> str:
    return client.get(PAGE).content.decode()


def test_it_lists_my_numbers_newest_first(client, owner, charlies_number):
    for name in ("Older robot", "Newer robot"):
        factories.number(name, owner=owner)
    content = page(client)
    assert content.index("Newer robot") < content.index("Older robot")
    assert "Charlie" not in content


def test_it_says_how_to_begin(client, owner):
    assert "no service number yet" in page(client)
    assert 'href="/console/numbers/new/"' in page(client)


@pytest.mark.parametrize("state", State.values)
def test_every_state_has_its_badge(client, owner, state):
    made = factories.number(owner=owner, state=state)
    assert made.get_state_display() in page(client)


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([], "no key yet"),
        ([KeyStatus.VALID], "1 valid key"),
        ([KeyStatus.VALID, KeyStatus.RATE_LIMITED, KeyStatus.INVALID], "2 valid keys"),
        ([KeyStatus.PENDING, KeyStatus.INVALID], "checking the key"),
        ([KeyStatus.INVALID, KeyStatus.UNREACHABLE], "key: invalid"),
        ([KeyStatus.OUT_OF_QUOTA], "key: out of quota"),
    ],
)
def test_the_keys_are_one_word(client, owner, number, statuses, word):
    for status in statuses:
        factories.key(number, "https://api.example.org/v1", status=status)
    assert word in page(client)


def test_a_number_that_the_simulator_answers_says_so(client, owner, number):
    factories.key(number, "", is_sandbox=True)
    assert "> simulator</span>" in page(client)
    factories.key(number, "https://api.example.org/v1")
    assert ("simulator" in page(client), "1 valid key" in page(client)) == (False, True)


def test_a_removed_key_does_not_count(client, owner, number):
    factories.key(number, "https://api.example.org/v1")
    ApiKey.objects.update(removed_at=timezone.now())
    assert "no key yet" in page(client)


def test_it_counts_the_questions_of_a_day(client, owner, number):
    settled(number)
    old = factories.message(number)
    Message.objects.filter(pk=old.pk).update(asked_at=timezone.now() - timedelta(hours=25))
    [line] = client.get(PAGE).context["glances"]
    assert line.asked == 1
    assert timezone.now() - line.last_asked_at < timedelta(minutes=1)


def test_it_knows_the_last_question_of_long_ago(client, owner, number):
    long_ago = timezone.now() - timedelta(days=40)
    message = settled(number)
    Message.objects.filter(pk=message.pk).update(asked_at=long_ago)
    [line] = client.get(PAGE).context["glances"]
    assert (line.asked, line.last_asked_at) == (0, long_ago)


def test_its_queries_stay_when_numbers_double(client, owner, django_assert_max_num_queries):
    def grow() -> None:
        for _position in range(3):
            made = factories.number(owner=owner)
            factories.key(made, "https://api.example.org/v1")
            settled(made)

    grow()
    with django_assert_max_num_queries(12) as few:
        page(client)
    grow()
    with django_assert_max_num_queries(len(few)):
        page(client)


@pytest.mark.django_db
def test_a_stranger_logs_in_first(client):
    assert client.get(PAGE)["Location"] == "/accounts/login/?next=/console/"


def test_it_is_only_read(client, owner):
    assert client.post(PAGE).status_code == 405
