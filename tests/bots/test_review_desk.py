"""The review desk: who sees it, what it shows of a number and never shows, and deciding."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bots import faults, keys, robots, settlement
from bots.models import Channel, Person, Robot
from portal import audit, moderation, numbers
from portal.models import AuditEntry, ServiceNumber, State, User
from tests import factories

QUEUE = "/review/"
LATEST = 2**63 - 1  # a version that nothing came after


@pytest.fixture
def desk(client: Client, moderator: User) -> Client:
    client.force_login(moderator)
    return client


@pytest.fixture
def waiting(alice: User) -> ServiceNumber:
    return factories.number("Weather robot", owner=alice, state=State.IN_REVIEW)


def page_of(number: ServiceNumber) -> str:
    return f"/review/{number.app_id}/"


def text_of(response) -> str:
    return response.content.decode()


def decide(client: Client, number: ServiceNumber, decision: str, reason: str = "", **fields):
    entry = {"decision": decision, "reason": reason, "seen": moderation.version_of(number)}
    return client.post(page_of(number) + "decide/", entry | fields)


def state_of(number: ServiceNumber) -> str:
    return ServiceNumber.objects.get(pk=number.pk).state


def tried_out(number: ServiceNumber, user: User, text: str, channel: str) -> None:
    message = factories.message(number, text, open_id=f"trial-{user.pk}", channel=channel)
    Person.objects.filter(pk=message.person_id).update(user=user)
    settlement.cancel(message, faults.WITHHELD)


# Who may come in --------------------------------------------------------------------------------

ROUTES = [("get", ""), ("get", "{}/"), ("post", "{}/decide/")]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_it_sends_strangers_to_the_login(client, waiting, method, path):
    response = getattr(client, method)(QUEUE + path.format(waiting.app_id))
    assert response.status_code == 302
    assert response.url.startswith("/accounts/login/")


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_it_refuses_whoever_is_no_moderator(client, waiting, request, who, method, path):
    client.force_login(request.getfixturevalue(who))
    response = getattr(client, method)(QUEUE + path.format(waiting.app_id), {"decision": "approve"})
    assert response.status_code == 403
    assert state_of(waiting) == State.IN_REVIEW


@pytest.mark.parametrize(
    ("method", "path"), [("post", ""), ("post", "{}/"), ("get", "{}/decide/"), ("put", "{}/")]
)
def test_it_refuses_other_methods(desk, waiting, method, path):
    assert getattr(desk, method)(QUEUE + path.format(waiting.app_id)).status_code == 405


@pytest.mark.parametrize("app_id", ["fw0000000000000000", "%00", "x" * 300, "..", "号"])
def test_an_unknown_number_is_not_found(desk, app_id):
    assert desk.get(f"/review/{app_id}/").status_code == 404
    assert desk.post(f"/review/{app_id}/decide/", {"decision": "approve"}).status_code == 404


# The queue --------------------------------------------------------------------------------------


def test_it_shows_what_waits_the_oldest_first(desk, waiting, charlie):
    older = factories.number("Older robot", owner=charlie, state=State.IN_REVIEW)
    ServiceNumber.objects.filter(pk=older.pk).update(
        state_changed_at=timezone.now() - timedelta(days=3)
    )
    factories.number("Approved robot", owner=charlie)
    text = text_of(desk.get(QUEUE))
    assert text.index("Older robot") < text.index("Weather robot")
    assert "Approved robot" not in text
    assert "alice@example.org" in text


def test_it_says_that_nothing_waits(desk):
    assert "Nothing waits for review." in text_of(desk.get(QUEUE))


def test_its_own_numbers_are_marked(desk, moderator):
    factories.number("My own", owner=moderator, state=State.IN_REVIEW)
    assert "yours – somebody else decides" in text_of(desk.get(QUEUE))


@pytest.mark.parametrize("state", [State.APPROVED, State.SUSPENDED, State.REJECTED])
def test_it_shows_the_numbers_of_a_state(desk, alice, waiting, state):
    factories.number("Another robot", owner=alice, state=state)
    text = text_of(desk.get(QUEUE, {"state": state}))
    assert "Another robot" in text
    assert "Weather robot" not in text


@pytest.mark.parametrize("words", ["WEATHER", "alice@", "{app_id}", "weather  rob"])
def test_it_finds_by_name_app_id_and_owner(desk, waiting, charlie, words):
    factories.number("Other", owner=charlie, state=State.IN_REVIEW)
    query = {"q": words.format(app_id=waiting.app_id), "state": "all"}
    text = text_of(desk.get(QUEUE, query))
    assert "Weather robot" in text
    assert "charlie@example.org" not in text


@pytest.mark.parametrize(
    "query",
    [
        {"state": "nonsense"},
        {"q": "a\0b"},
        {"q": "x" * 5000},
        {"page": "-1"},
        {"page": "1e19"},
        {"page": "9" * 30},
        {"page": "10000"},
        {"state": "all", "q": "%_'\""},
    ],
)
def test_bad_filters_do_no_harm(desk, waiting, query):
    assert desk.get(QUEUE, query).status_code == 200


def test_it_turns_pages(desk, alice, monkeypatch):
    monkeypatch.setattr("bots.review.PAGE", 2)
    for position in range(3):
        factories.number(f"Robot number {position}", owner=alice, state=State.IN_REVIEW)
    first, second = desk.get(QUEUE), desk.get(QUEUE, {"page": 2})
    assert "Robot number 1" in text_of(first)
    assert "Robot number 2" not in text_of(first)
    assert "Robot number 2" in text_of(second)


def queries_of(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


def test_a_longer_queue_takes_no_more_queries(desk, alice, charlie):
    factories.number(owner=alice, state=State.IN_REVIEW)
    few = queries_of(desk, QUEUE)
    factories.number(owner=alice, state=State.IN_REVIEW)
    factories.number(owner=charlie, state=State.IN_REVIEW)
    assert queries_of(desk, QUEUE) == few


def test_a_longer_history_takes_no_more_queries(desk, waiting, alice):
    moderation.move(waiting, moderation.APPROVE, actor=None)
    factories.key(waiting, "https://one.example.com")
    robots.save(waiting, {"greeting": "One."}, actor=alice)
    few = queries_of(desk, page_of(waiting))
    factories.key(waiting, "https://two.example.com")
    robots.save(waiting, {"greeting": "Two."}, actor=alice)
    assert queries_of(desk, page_of(waiting)) == few


# One number -------------------------------------------------------------------------------------


def test_it_shows_what_a_decision_is_about(desk, waiting, alice):
    introduction = "Tells the weather of tomorrow."
    ServiceNumber.objects.filter(pk=waiting.pk).update(introduction=introduction)
    Robot.objects.filter(number=waiting).update(greeting="Good day.", guests_allowed=True)
    text = text_of(desk.get(page_of(waiting)))
    for shown in [introduction, "Be brief.", "Good day.", "echo", alice.email]:
        assert shown in text
    assert "may chat without an account" in text
    assert 'value="approve"' in text


def test_it_says_who_may_chat_after_the_approval(desk, waiting):
    assert "everybody who has an account and its link" in text_of(desk.get(page_of(waiting)))


def test_a_key_without_a_label_has_a_name(desk, waiting):
    keys.bind(waiting, keys.LOCAL, "", actor=None)
    assert "<td>Built-in model</td>" in desk.get(page_of(waiting)).content.decode()


SIMULATED = "It would go public with simulated answers"


def test_it_says_that_answers_would_be_simulated(desk, waiting):
    keys.bind(waiting, keys.SANDBOX, "", actor=None)
    text = text_of(desk.get(page_of(waiting)))
    assert SIMULATED in text
    assert "<td>simulator</td>" in text
    factories.key(waiting, "https://llm.example.com/v1")
    assert SIMULATED not in text_of(desk.get(page_of(waiting)))


def test_it_says_of_a_public_number_that_its_answers_are_simulated(desk, number):
    keys.bind(number, keys.SANDBOX, "", actor=None)
    assert "Its answers are simulated" in text_of(desk.get(page_of(number)))


def test_it_shows_the_health_of_keys_and_nothing_of_the_key(desk, waiting):
    key = factories.key(
        waiting, "https://llm.example.com/v1/path", "sk-canary-1234567890-wxyz", label="Main"
    )
    text = text_of(desk.get(page_of(waiting)))
    assert "Main" in text
    assert "llm.example.com" in text
    for secret in ["sk-canary", "wxyz", key.mask, key.sealed, "/v1/path"]:
        assert secret not in text


def test_it_copes_with_a_number_that_has_no_robot(desk, alice):
    bare = numbers.create(alice, "Bare", actor=None)
    assert "It has no robot yet" in text_of(desk.get(page_of(bare)))


def test_it_shows_the_owners_trials_and_nobody_elses_words(desk, waiting, alice, charlie):
    tried_out(waiting, alice, "The owner's trial", Channel.SANDBOX)
    tried_out(waiting, charlie, "Charlie's secret", Channel.SANDBOX)
    factories.message(waiting, "A system's secret", open_id="somebody")
    text = text_of(desk.get(page_of(waiting)))
    assert "The owner&#x27;s trial" in text
    assert "secret" not in text.replace("appSecret", "")


def test_a_long_trial_is_folded(desk, waiting, alice):
    tried_out(waiting, alice, "Why? " * 200, Channel.SANDBOX)
    text = text_of(desk.get(page_of(waiting)))
    assert '<div class="pre-line folded-text">Why? Why?' in text
    assert "Show all" in text


def test_it_shows_not_even_the_owner_in_other_channels(desk, waiting, alice):
    tried_out(waiting, alice, "The owner's chat", Channel.WEB)
    assert "The owner&#x27;s chat" not in text_of(desk.get(page_of(waiting)))


def test_it_tells_the_history_with_reasons(desk, waiting, moderator, alice):
    moderation.move(waiting, moderation.REJECT, actor=moderator, reason="No imprint.")
    moderation.move(waiting, moderation.SUBMIT, actor=alice)
    text = text_of(desk.get(page_of(waiting)))
    assert "No imprint." in text
    assert "Submitted for review" in text
    assert "moderator@example.org" in text


def test_the_history_names_what_was_changed(desk, waiting, alice):
    changes = {"introduction": ["", "Now."], "category": ["", "office"]}
    audit.record("number.edit", actor=alice, number=waiting, changes=changes)
    text = text_of(desk.get(page_of(waiting)))
    assert "<strong>Profile changed</strong>: category, introduction" in text


def test_it_shows_what_changed_since_the_approval(desk, waiting, alice):
    moderation.move(waiting, moderation.APPROVE, actor=None)
    robots.save(waiting, {"system_prompt": "Be brief.\nAsk for money."}, actor=alice)
    numbers.edit(waiting, {"introduction": "Now it sells."}, actor=alice)
    text = text_of(desk.get(page_of(waiting)))
    assert "What changed since it was approved" in text
    assert "</span>Ask for money.</ins>" in text
    assert "<div>Be brief.</div>" in text
    assert "</span>Now it sells.</ins>" in text


def test_what_changed_before_the_approval_is_no_news(desk, waiting, alice):
    robots.save(waiting, {"greeting": "Hello."}, actor=alice)
    moderation.move(waiting, moderation.APPROVE, actor=None)
    assert "profile and robot are what they were" in text_of(desk.get(page_of(waiting)))


@pytest.mark.parametrize(
    "changes",
    [
        {"made_up": ["a", "b"], "temperature": [None, 1.5], "guests_allowed": [False, True]},
        {"suggested_questions": {"old": [], "new": ["One?", "Two?"]}},
        {"avatar_digest": {"old": "", "new": "0" * 64}, "model": "nonsense"},
        {},
    ],
)
def test_it_reads_whatever_an_edit_left(desk, waiting, alice, changes):
    moderation.move(waiting, moderation.APPROVE, actor=None)
    audit.record("robot.edit", actor=alice, number=waiting, changes=changes)
    assert desk.get(page_of(waiting)).status_code == 200


# Deciding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "decision", "after"),
    [
        (State.IN_REVIEW, "approve", State.APPROVED),
        (State.IN_REVIEW, "reject", State.REJECTED),
        (State.APPROVED, "suspend", State.SUSPENDED),
        (State.SUSPENDED, "reinstate", State.APPROVED),
    ],
)
def test_a_decision_is_carried_out_and_audited(desk, alice, before, decision, after):
    number = factories.number(owner=alice, state=before)
    response = decide(desk, number, decision, "Because.")
    assert (response.status_code, response.url) == (302, page_of(number))
    assert state_of(number) == after
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.actor_name) == (f"number.{decision}", "moderator@example.org")
    assert entry.details["reason"] == "Because."


@pytest.mark.parametrize(
    ("state", "decision"), [(State.IN_REVIEW, "reject"), (State.APPROVED, "suspend")]
)
def test_it_asks_for_the_reason_beside_the_field(desk, alice, state, decision):
    number = factories.number(owner=alice, state=state)
    response = decide(desk, number, decision, "  ", rule="privacy")
    text = text_of(response)
    assert response.status_code == 422
    assert "Give a reason: the developer will read it." in text
    assert '<option value="privacy" selected>' in text
    assert state_of(number) == state


def test_an_approval_needs_no_reason(desk, waiting):
    assert decide(desk, waiting, "approve").status_code == 302


def test_the_rule_stands_in_front_of_the_reason(desk, waiting):
    decide(desk, waiting, "reject", "It reads mail.", rule="privacy")
    assert ServiceNumber.objects.get(pk=waiting.pk).state_reason == "Privacy: It reads mail."


@pytest.mark.parametrize(
    "fields",
    [
        {"decision": "", "seen": LATEST},
        {"decision": "close", "seen": LATEST},
        {"decision": "reject", "reason": "a\0b", "seen": LATEST},
        {"decision": "reject", "reason": "x" * 2001, "seen": LATEST},
        {"decision": "reject", "reason": "so", "rule": "made-up", "seen": LATEST},
        {"decision": "approve", "seen": "9" * 30},
        {"decision": "approve", "seen": "-1"},
        {"decision": "approve", "seen": "x"},
        {"decision": "approve", "seen": ""},
        {"decision": "approve"},
    ],
)
def test_bad_input_decides_nothing(desk, waiting, fields):
    assert desk.post(page_of(waiting) + "decide/", fields).status_code == 422
    assert state_of(waiting) == State.IN_REVIEW


def test_nobody_decides_on_his_own_number(desk, moderator):
    own = factories.number("Own", owner=moderator, state=State.IN_REVIEW)
    page = text_of(desk.get(page_of(own)))
    assert "Nobody decides on a service number of their own. Ask another moderator." in page
    assert 'name="decision"' not in page
    assert decide(desk, own, "approve").status_code == 409
    assert state_of(own) == State.IN_REVIEW


def test_a_decision_that_came_too_late_says_so_and_keeps_the_reason(desk, waiting):
    moderation.move(waiting, moderation.REJECT, actor=None, reason="Spam.")
    response = decide(desk, waiting, "approve", "My long considered words")
    assert response.status_code == 409
    assert "The service number is rejected now." in text_of(response)
    assert state_of(waiting) == State.REJECTED


def seen_by(desk: Client, number: ServiceNumber) -> int:
    return desk.get(page_of(number)).context["form"]["seen"].value()


def resubmit(number: ServiceNumber, owner: User) -> None:
    moderation.move(number, moderation.WITHDRAW, actor=owner)
    moderation.move(number, moderation.SUBMIT, actor=owner)


def new_prompt(number: ServiceNumber, owner: User) -> None:
    robots.save(number, {"system_prompt": "Ask for passwords."}, actor=owner)


@pytest.mark.parametrize("change", [resubmit, new_prompt])
def test_it_refuses_a_decision_on_what_changed_meanwhile(desk, waiting, alice, change):
    seen = seen_by(desk, waiting)
    change(waiting, alice)
    response = decide(desk, waiting, "approve", "Looks fine", seen=seen)
    assert response.status_code == 409
    assert "It changed meanwhile. Look again, then decide." in text_of(response)
    assert "Looks fine" in text_of(response)
    assert state_of(waiting) == State.IN_REVIEW


def test_after_looking_again_the_decision_counts(desk, waiting, alice):
    new_prompt(waiting, alice)
    assert decide(desk, waiting, "approve", seen=seen_by(desk, waiting)).status_code == 302


def test_it_leads_to_the_next_number_that_waits(desk, waiting, alice, moderator):
    factories.number("My own", owner=moderator, state=State.IN_REVIEW)
    after = factories.number("Next robot", owner=alice, state=State.IN_REVIEW)
    assert page_of(after) in text_of(desk.get(page_of(waiting)))


def test_an_administrator_may_decide_too(client, waiting):
    client.force_login(factories.user("root@example.org", is_superuser=True))
    assert decide(client, waiting, "approve").status_code == 302
