"""One number at a glance: what to do next, and the figures."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bots import claims, overview, ratings, settlement
from bots.models import KeyStatus, Message, Robot, Status
from bots.settlement import Outcome
from portal import numbers
from portal.models import ServiceNumber, State
from tests import factories


def settled(number, outcome: Outcome | None = None) -> Message:
    claimed = claims.claim(factories.message(number, open_id=factories.user().email).pk, "w1")
    settlement.settle(claimed, outcome or Outcome(Status.DONE, answer="Fine."))
    return Message.objects.get(pk=claimed.pk)


@pytest.fixture
def draft(client, alice) -> ServiceNumber:
    client.force_login(alice)
    made = factories.number("Alice's draft", owner=alice, state=State.DRAFT)
    numbers.edit(made, {"introduction": "It helps."}, actor=alice)
    made.refresh_from_db()
    return made


def address(number) -> str:
    return f"/console/numbers/{number.app_id}/"


def page(client, number) -> str:
    return client.get(address(number)).content.decode()


def next_of(number) -> overview.Step:
    step = overview.checklist(number).next
    assert step is not None
    return step


# What to do next --------------------------------------------------------------------------------


def test_first_comes_a_key(client, draft):
    assert next_of(draft).action == "Add an API key"
    assert f'href="{address(draft)}keys/?add=1"' in page(client, draft)


def test_the_simulator_will_do_and_is_named(client, draft):
    factories.key(draft, "", is_sandbox=True)
    assert next_of(draft).action == "Open the chat"
    content = page(client, draft)
    assert "Simulator bound (sandbox)" in content
    assert "Answers come from the simulator, not from a model." in content


def test_beside_a_key_that_does_not_work_the_simulator_is_no_help(client, draft):
    factories.key(draft, "", is_sandbox=True)
    factories.key(draft, "https://api.example.org/v1", status=KeyStatus.INVALID)
    assert next_of(draft).action == "See the API keys"
    assert "not from a model" not in page(client, draft)


@pytest.mark.parametrize(
    ("status", "hint"), [(KeyStatus.PENDING, "being checked"), (KeyStatus.INVALID, "None of its")]
)
def test_a_key_that_does_not_work_is_not_enough(draft, status, hint):
    factories.key(draft, "https://api.example.org/v1", status=status)
    assert (next_of(draft).action, hint in next_of(draft).hint) == ("See the API keys", True)


@pytest.fixture
def keyed(draft) -> ServiceNumber:
    factories.key(draft, "https://api.example.org/v1")
    return draft


def test_then_it_is_tried(client, keyed):
    assert next_of(keyed).action == "Open the chat"
    assert f'href="/chat/{keyed.handle}/"' in page(client, keyed)


@pytest.mark.parametrize("robots", ["none", "without a model"])
def test_a_robot_without_a_model_is_set_up_first(client, keyed, robots):
    Robot.objects.all().delete()
    Robot.objects.bulk_create([Robot(number=keyed, model="")] * (robots != "none"))
    assert next_of(keyed).action == "Set up the robot"
    assert f'href="{address(keyed)}robot/"' in page(client, keyed)


@pytest.fixture
def tried(keyed) -> ServiceNumber:
    settled(keyed)
    return keyed


def test_a_failed_answer_is_no_trial(keyed):
    settled(keyed, settlement.failure(50001))
    assert next_of(keyed).action == "Open the chat"


def test_only_the_last_answers_are_looked_at(keyed, monkeypatch):
    monkeypatch.setattr(overview, "ANSWERS_LOOKED_AT", 2)
    settled(keyed)
    settled(keyed, settlement.failure(50001))
    assert next_of(keyed).action == "Submit for review"
    settled(keyed, settlement.failure(50001))
    assert next_of(keyed).action == "Open the chat"


def test_then_it_is_submitted_at_once(client, tried):
    content = page(client, tried)
    assert f'action="{address(tried)}move/submit/"' in content
    client.post(f"{address(tried)}move/submit/", {"back": "overview"})
    tried.refresh_from_db()
    assert tried.state == State.IN_REVIEW


def test_without_an_introduction_that_is_written_first(tried, alice):
    numbers.edit(tried, {"introduction": ""}, actor=alice)
    tried.refresh_from_db()
    assert next_of(tried).action == "Write the introduction"


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (State.DRAFT, "Submit for review"),
        (State.REJECTED, "Submit for review"),
        (State.IN_REVIEW, ""),
        (State.APPROVED, "Open credentials"),
        (State.SUSPENDED, "Open credentials"),
    ],
)
def test_each_state_has_its_next_step(client, tried, state, action):
    tried.state = state
    tried.save()
    assert next_of(tried).action == action
    assert next_of(tried).hint in page(client, tried)


def test_an_appsecret_is_created_once(tried):
    ServiceNumber.objects.filter(pk=tried.pk).update(state=State.APPROVED)
    tried.refresh_from_db()
    assert next_of(tried).hint.startswith("Create an appSecret")
    factories.secret(tried)
    assert next_of(tried).hint == "Exchange the appSecret for an accessToken."


def test_it_says_who_may_chat_after_the_approval(tried):
    assert "everybody who has an account and the link may chat" in next_of(tried).hint


def test_at_last_nothing_is_left(client, tried):
    tried.state = State.APPROVED
    tried.save()
    factories.secret(tried)
    tried.secrets.all().note_use(timezone.now())
    assert overview.checklist(tried).next is None
    assert "Next steps" not in page(client, tried)


def test_a_closed_number_has_no_next_step(client, draft):
    draft.state = State.CLOSED
    draft.save()
    assert "Next steps" not in page(client, draft)


# Figures ----------------------------------------------------------------------------------------


def test_the_figures_are_the_numbers_own(draft, charlies_number):
    settled(charlies_number)
    ratings.rate(settled(draft), "like")
    ratings.rate(settled(draft), "dislike")
    settled(draft, settlement.failure(50001))
    factories.message(draft)
    found = overview.figures(draft)
    assert (found.asked, found.asked_today) == (4, 4)
    assert (found.answered, found.failed) == (2, 1)
    assert (found.likes, found.dislikes) == (1, 1)


@pytest.mark.parametrize(
    ("age", "week", "day"),
    [(timedelta(hours=23), 1, 1), (timedelta(hours=25), 1, 0), (timedelta(days=8), 0, 0)],
)
def test_they_are_of_a_day_and_a_week(draft, age, week, day):
    Message.objects.filter(pk=settled(draft).pk).update(asked_at=timezone.now() - age)
    found = overview.figures(draft)
    assert (found.asked, found.asked_today) == (week, day)


def test_the_time_of_an_answer_is_the_median(draft):
    for seconds in (1, 2, 9):
        message = settled(draft)
        answered = message.asked_at + timedelta(seconds=seconds)
        Message.objects.filter(pk=message.pk).update(answered_at=answered)
    settled(draft, settlement.failure(50001))
    assert overview.figures(draft).answer_seconds == 2


def test_a_number_without_messages_has_figures_too(client, draft):
    assert overview.figures(draft).answer_seconds is None
    assert "Questions in 7 days" in page(client, draft)


def test_its_queries_stay_when_messages_double(client, draft, django_assert_max_num_queries):
    settled(draft)
    with django_assert_max_num_queries(16) as few:
        page(client, draft)
    for _position in range(3):
        settled(draft)
    with django_assert_max_num_queries(len(few)):
        page(client, draft)


def test_it_names_the_chats_address(client, draft, settings):
    assert f'data-copy="{settings.SITE_URL}/chat/{draft.handle}/"' in page(client, draft)


# Doors ------------------------------------------------------------------------------------------


def test_charlie_gets_nothing(client, draft, charlie):
    client.force_login(charlie)
    assert client.get(address(draft)).status_code == 404


def test_a_stranger_logs_in_first(client, draft):
    client.logout()
    assert client.get(address(draft))["Location"].startswith("/accounts/login/")


def test_it_is_only_read(client, draft):
    assert client.post(address(draft)).status_code == 405


@pytest.mark.parametrize("app_id", ["%00", "fw" + "0" * 16, "x" * 500])
def test_an_unknown_number_is_not_found(client, draft, app_id):
    assert client.get(f"/console/numbers/{app_id}/").status_code == 404
