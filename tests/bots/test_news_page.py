"""Following on the chat page, and reading the news there."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bots import followers, news, people
from bots.models import Follower, News, Person
from portal.models import State
from tests import factories
from tests.bots import talking

NOT_PUBLIC = [State.DRAFT, State.IN_REVIEW, State.REJECTED]
SILENT = [State.SUSPENDED, State.CLOSED]


@pytest.fixture
def reader(client, charlie):
    client.force_login(charlie)
    return client


@pytest.fixture
def follower(number, charlie) -> Person:
    return followers.follow(number, charlie).person


def address(number, name: str = "chat-news") -> str:
    return reverse(name, args=[number.handle])


def html(client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def follow(client, number, following: str = "yes", **more):
    return client.post(address(number, "chat-follow"), {"following": following}, **more)


def tell_all(number, text: str = "We move house.") -> News:
    return news.send(news.Notice(number, text))


def tell(person: Person, text: str = "Your order.") -> News:
    return news.send(news.Notice(person.number, text, person.open_id))


# Following --------------------------------------------------------------------------------------


def test_a_press_of_the_button_follows(reader, number, charlie):
    answer = follow(reader, number)
    assert (answer.status_code, answer["Location"]) == (302, talking.page(number))
    assert Follower.objects.get().person.user == charlie
    assert "Following</summary>" in html(reader, talking.page(number))


def test_a_script_gets_the_button_as_it_is_now(reader, number):
    followed = follow(reader, number, headers=talking.SCRIPT).content.decode()
    ended = follow(reader, number, "", headers=talking.SCRIPT).content.decode()
    assert followed.startswith('<div class="chat-follow">')
    assert ("Unfollow</button>" in followed, "Follow</button>" in ended) == (True, True)


def test_unfollowing_ends_it(reader, number, follower):
    assert follow(reader, number, "").status_code == 302
    assert not Follower.objects.exists()


def test_who_never_followed_may_end_it_all_the_same(reader, number):
    assert follow(reader, number, "").status_code == 302
    assert not Person.objects.exists()


def test_a_guest_is_shown_the_way_to_log_in(client, number):
    page = html(client, talking.page(talking.open_to_guests(number)))
    assert 'action="/chat/alice-s-robot/follow/"' not in page
    assert f'href="{reverse("account_login")}?next={talking.page(number)}"' in page


@pytest.mark.parametrize("headers", [{}, talking.SCRIPT])
def test_a_guest_who_follows_is_asked_to_log_in(client, number, headers):
    answer = follow(client, talking.open_to_guests(number), headers=headers)
    assert answer.status_code == (401 if headers else 302)
    assert not Follower.objects.exists()


@pytest.mark.parametrize("state", NOT_PUBLIC)
def test_even_its_owner_cannot_follow_what_is_not_approved(as_alice, number, state):
    talking.in_state(number, state)
    answer = follow(as_alice, number)
    assert answer.status_code == 409
    assert "does not answer at present" in answer.content.decode()
    assert "Follow</button>" not in html(as_alice, talking.page(number))


@pytest.mark.parametrize("state", SILENT)
def test_a_silent_number_can_be_left_but_not_followed(reader, number, follower, state):
    talking.asked_by(follower.user, number)
    talking.in_state(number, state)
    assert "Unfollow</button>" in html(reader, talking.page(number))
    follow(reader, number, "")
    assert "Follow</button>" not in html(reader, talking.page(number))


def test_a_refusal_is_a_sentence_for_the_script(as_alice, number):
    talking.in_state(number, State.DRAFT)
    answer = follow(as_alice, number, headers=talking.SCRIPT)
    assert answer.status_code == 409
    assert answer.content.decode().startswith('<p class="chat-refusal">')


def test_following_is_a_change(reader, number):
    assert reader.get(address(number, "chat-follow")).status_code == 405


# The news ---------------------------------------------------------------------------------------


def test_news_are_read_from_the_oldest_to_the_newest(reader, number, follower):
    tell_all(number, "first")
    tell(follower, "**second**")
    page = html(reader, address(number))
    assert page.index("<p>first</p>") < page.index("<strong>second</strong>")
    assert page.count("to you alone") == 1


def test_each_has_its_time(reader, number, follower):
    sent = tell_all(number)
    assert f'<time datetime="{sent.at.isoformat(timespec="seconds")}"' in html(
        reader, address(number)
    )


def test_what_it_says_is_cleaned(reader, number, follower):
    tell_all(number, "<script>alert(1)</script> ![x](https://evil.example/x.png)")
    page = html(reader, address(number))
    assert "<script>alert" not in page
    assert 'src="https://evil' not in page


def test_earlier_news_are_a_page_away(reader, number, follower, monkeypatch):
    monkeypatch.setattr(news, "PAGE", 2)
    sent = [tell_all(number, f"message {position}") for position in range(4)]
    assert f'href="?before={sent[2].seq}"' in html(reader, address(number))
    page = html(reader, f"{address(number)}?before={sent[2].seq}")
    assert ["message 0" in page, "message 1" in page, "message 2" in page] == [True, True, False]


@pytest.mark.parametrize("before", ["", "x", "-1", "１", "1" + "0" * 18, "%00"])
def test_a_forged_place_is_not_found(reader, number, before):
    assert reader.get(f"{address(number)}?before={before}").status_code == 404


def test_another_persons_news_are_not_shown(reader, number, charlie, moderator):
    tell(people.of_user(number, moderator), "for the moderator")
    tell_all(number, "for followers")
    page = html(reader, address(number))
    assert "for the moderator" not in page
    assert "for followers" not in page
    assert "No news here. Follow it" in page


def test_who_follows_is_told_that_there_is_nothing_yet(reader, number, follower):
    assert "No news yet." in html(reader, address(number))


def test_a_guest_reads_what_was_sent_to_him(client, number):
    talking.ask(client, talking.open_to_guests(number))
    tell(Person.objects.get(), "for the guest")
    assert "for the guest" in html(client, address(number))


@pytest.mark.parametrize("state", SILENT)
def test_old_news_of_a_silent_number_can_still_be_read(reader, number, follower, state):
    tell_all(number, "old news")
    talking.in_state(number, state)
    page = html(reader, address(number))
    assert "old news" in page
    assert "sends no news at present" in page


@pytest.mark.parametrize("state", [*NOT_PUBLIC, *SILENT])
def test_news_of_a_number_that_is_not_public_are_not_there_for_strangers(reader, number, state):
    talking.in_state(number, state)
    assert reader.get(address(number)).status_code == 404


# Seen -------------------------------------------------------------------------------------------


def test_the_unread_are_counted_beside_the_conversations(reader, number, follower):
    tell_all(number)
    tell(follower)
    assert "2 new</span>" in html(reader, talking.page(number))


def test_looking_alone_changes_nothing(reader, number, follower):
    tell_all(number)
    html(reader, address(number))
    assert "1 new</span>" in html(reader, talking.page(number))


def test_the_page_says_what_was_seen(reader, number, follower):
    sent = tell_all(number)
    page = html(reader, address(number))
    assert f'name="seq" value="{sent.seq}"' in page
    answer = reader.post(
        address(number, "chat-news-seen"), {"seq": sent.seq}, headers=talking.SCRIPT
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert "new</span>" not in html(reader, talking.page(number))


def test_without_script_a_button_says_it(reader, number, follower):
    sent = tell_all(number)
    assert "Mark as read</button>" in html(reader, address(number))
    answer = reader.post(address(number, "chat-news-seen"), {"seq": sent.seq})
    assert answer["Location"] == address(number)


def test_what_was_seen_asks_for_nothing_more(reader, number, follower):
    news.see(follower, tell_all(number).seq)
    page = html(reader, address(number))
    assert 'name="seq"' not in page
    assert "badge bg-blue-lt" not in page


@pytest.mark.parametrize("seq", ["", "x", "-1", "１", "9" * 19, "9" * 18, "\x00"])
def test_a_forged_place_marks_nothing(reader, number, follower, seq):
    tell_all(number)
    answer = reader.post(address(number, "chat-news-seen"), {"seq": seq}, headers=talking.SCRIPT)
    assert answer.status_code == 204
    follower.refresh_from_db()
    assert follower.news_seen == 0


def test_the_newest_unread_is_a_card_on_the_chats_first_page(reader, number, follower):
    message = talking.asked_by(follower.user, number)
    tell_all(number, "the older one")
    tell_all(number, "**the** <newer> one & more")
    page = html(reader, talking.page(number))
    assert "the &lt;newer&gt; one &amp; more" in page
    assert "the older one" not in page
    assert "Read all 2" in page
    assert "news-card" not in html(reader, talking.conversation_page(message))


def test_a_long_message_is_cut_on_the_card(reader, number, follower):
    tell_all(number, "word " * 1_000)
    assert html(reader, talking.page(number)).count("word ") < 60


def test_without_unread_news_there_is_no_card(reader, number, follower):
    assert "news-card" not in html(reader, talking.page(number))


# The cost -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chat", "chat-news"])
def test_the_queries_stay_when_the_news_double(reader, number, follower, name):
    tell_all(number)
    tell(follower)
    few = queries_of(reader, address(number, name))
    for _ in range(30):
        tell_all(number)
        tell(follower)
    assert queries_of(reader, address(number, name)) == few


def queries_of(client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        html(client, path)
    return len(captured)


def test_the_overview_says_how_many_follow(as_alice, number, follower):
    followers.follow(number, factories.user())
    page = html(as_alice, reverse("number", args=[number.app_id]))
    assert "<dt>Followers</dt><dd>2</dd>" in page
