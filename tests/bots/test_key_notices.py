"""The owner is told of a key that went out of use or came back: once, in his words, by mail too."""

import pytest
from django.core import mail
from django.utils import timezone

from bots import keys
from bots.models import ApiKey, KeyStatus
from portal import outbox
from portal.models import Notice, OutboxEntry, User
from tests import factories
from tests.conftest import page

pytestmark = pytest.mark.django_db

URL = "https://api.example.org/v1"
CANARY = "sk-canary-1234567890abcdef"
SEEN = "HTTP 429 insufficient_quota (request req_7): You exceeded your current quota"


def deliver() -> None:
    outbox.deliver()
    outbox.deliver_slowly()


def show(status: str, evidence: str = SEEN, label: str = "Main") -> None:
    """An answer that was planned just now shows this."""
    ApiKey.objects.get(label=label).take_verdict(status, evidence)
    deliver()


def kinds() -> list[str]:
    return list(Notice.objects.order_by("at").values_list("kind", flat=True))


@pytest.fixture
def main(number):
    return factories.key(number, URL, CANARY, label="Main", checked_at=timezone.now())


@pytest.fixture
def spare(number):
    return factories.key(number, URL, "sk-spare-1234567890", label="Spare")


def test_a_key_that_fails_and_comes_back_is_told_once_each(main, spare):
    show(KeyStatus.OUT_OF_QUOTA)
    show(KeyStatus.OUT_OF_QUOTA)
    show(KeyStatus.VALID, "answered")
    show(KeyStatus.VALID, "answered")
    assert kinds() == ["key_down", "key_back"]
    assert len(mail.outbox) == 2


def test_the_last_one_is_told_as_what_it_is(main):
    show(KeyStatus.INVALID, "HTTP 401")
    assert kinds() == ["robot_down"]
    assert "none of its API keys works" in mail.outbox[0].subject


def test_the_mail_says_what_was_seen_and_what_to_do_and_no_key(main, spare):
    show(KeyStatus.OUT_OF_QUOTA)
    [sent] = mail.outbox
    assert "Main: out of quota (HTTP 429 insufficient_quota (request req_7)" in sent.body
    assert "Top it up there, then check again." in sent.body
    assert "/keys/" in sent.body
    assert "canary" not in sent.body


def test_the_console_says_it_in_its_readers_language(main, spare, as_alice, alice):
    show(KeyStatus.INVALID, "HTTP 401")
    User.objects.filter(pk=alice.pk).update(language="zh-hans")
    as_alice.cookies["django_language"] = "zh-hans"
    assert "拒绝了这个 API Key（401）" in page(as_alice.get("/console/notices/"))


def test_a_provider_that_is_down_in_two_ways_is_down_once(main, spare):
    for trouble in (KeyStatus.TROUBLE, KeyStatus.UNREACHABLE):
        ApiKey.objects.filter(label="Main").update(failures=2, rests_until=None)
        show(trouble, "HTTP 503")
    assert kinds() == ["key_down"]


def test_another_trouble_is_another_change(main, spare):
    show(KeyStatus.OUT_OF_QUOTA)
    show(KeyStatus.INVALID, "HTTP 401")
    assert kinds() == ["key_down", "key_down"]


def test_a_key_that_is_only_too_fast_is_nobodys_trouble(main, spare):
    show(KeyStatus.RATE_LIMITED, "HTTP 429")
    show(KeyStatus.VALID, "answered")
    assert kinds() == []


def test_what_the_owner_waits_for_is_not_told_besides(number, alice):
    bound = keys.bind(number, URL, CANARY, actor=alice)
    keys.begin_check(bound.pk).end_check(KeyStatus.INVALID, "HTTP 401")
    deliver()
    assert kinds() == []


def test_what_a_later_check_finds_is(number, alice, main, spare):
    keys.check_again(main, actor=alice)
    keys.begin_check(main.pk).end_check(KeyStatus.NO_ACCESS, "HTTP 404")
    deliver()
    assert kinds() == ["key_down"]


def test_the_simulators_tricks_are_not_told(number):
    factories.key(number, "", label="Main", is_sandbox=True)
    show(KeyStatus.INVALID, "HTTP 401")
    assert kinds() == []


def test_a_provider_that_only_answers_checks_is_soon_no_news_any_more(main, spare):
    for _cycle in range(6):
        ApiKey.objects.filter(label="Main").update(rests_until=None)
        show(KeyStatus.OUT_OF_QUOTA)
        keys.begin_check(main.pk).end_check(KeyStatus.VALID, "HTTP 200")
        deliver()
    assert len(kinds()) == 7
    show(KeyStatus.VALID, "answered")
    assert kinds()[-1] == "key_back"


def test_a_removed_key_interests_nobody(number, main):
    ApiKey.objects.get().take_verdict(KeyStatus.INVALID, "HTTP 401")
    keys.remove(main, actor=None)
    deliver()
    assert kinds() == []


def test_carried_out_twice_it_is_told_once(main, spare):
    show(KeyStatus.OUT_OF_QUOTA)
    OutboxEntry.objects.update(done_at=None, due_at=timezone.now())
    deliver()
    assert kinds() == ["key_down"]
