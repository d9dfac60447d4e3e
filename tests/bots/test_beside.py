"""The draft tried beside the live robot: one question, asked twice in the one pipeline."""

import pytest
from django.urls import reverse

from bots import asking, beside, chat_page, claims, feed, plans, review, robots, settlement, trials
from bots.access import Door
from bots.models import Channel, Conversation, Message, Prompt, Robot, RobotDraft, Status
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.bots.at_work import answer_now
from tests.conftest import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(number) -> RobotDraft:
    told = {"model": "slow", "system_prompt": "Rhyme.", "temperature": 1.5, "answer_tokens": 77}
    settings = Robot.objects.get(number=number).settings | told
    return robots.keep_draft(number, settings, actor=number.owner)


@pytest.fixture
def path(number) -> str:
    return reverse("robot-try", args=[number.app_id])


def ask(number, text: str = "Hello?") -> beside.Pair:
    return beside.ask(number, text, Robot.objects.get(number=number), RobotDraft.objects.get())


def done(message: Message, answer: str) -> None:
    told = settlement.Outcome(Status.DONE, answer, prompt_tokens=7, completion_tokens=9, model="m")
    settlement.settle(claims.claim(message.pk, "w"), told)


def part(number, message: Message) -> str:
    return reverse("robot-trial", args=[number.app_id, message.pk])


# What is sent -----------------------------------------------------------------------------------


def sent_for(upstream, worker, message: Message) -> tuple[str, str, float | None, int | None]:
    """Model, prompt, temperature and budget of the call that answers it."""
    answer_now(worker, message.pk)
    body = upstream.calls()["last"]["body"]
    system = body["messages"][0]["content"]
    return body["model"], system, body.get("temperature"), body.get("max_tokens")


@pytest.mark.django_db(transaction=True)
def test_each_is_answered_with_what_it_is_told(number, draft, upstream, worker):
    factories.key(number, upstream.url)
    pair = ask(number, "ping")
    assert sent_for(upstream, worker, pair.live) == ("echo", "Be brief.", None, None)
    assert sent_for(upstream, worker, pair.draft) == ("slow", "Rhyme.", 1.5, 77)
    pair.draft.refresh_from_db()
    assert (pair.draft.status, pair.draft.model) == (Status.DONE, "slow")


@pytest.mark.django_db(transaction=True)
def test_the_draft_never_answers_people(number, draft, upstream, worker):
    factories.key(number, upstream.url)
    asked = factories.message(number, "ping")
    assert sent_for(upstream, worker, asked) == ("echo", "Be brief.", None, None)


def planned(message: Message) -> plans.Plan:
    [plan] = plans.make_all([claims.claim(message.pk, "w")])
    return plan


def test_a_draft_that_changes_before_its_turn_answers_as_it_was_asked(number, draft):
    factories.key(number, "https://x.example/v1")
    pair = ask(number)
    robots.discard_draft(number, draft.stamp)
    robots.save(number, {"model": "other", "system_prompt": "Other."}, actor=None)
    plan_of_live, plan_of_draft = planned(pair.live), planned(pair.draft)
    assert plan_of_live.keys[0][1].model == "echo"
    assert plan_of_draft.keys[0][1].model == "slow"
    assert plan_of_draft.turns[0]["content"] == "Rhyme."


# What it counts as ------------------------------------------------------------------------------


def test_both_are_trials_of_the_owners(number, draft):
    ask(number)
    assert trials.limit_of(number).used() == 2
    assert set(Message.objects.values_list("channel", flat=True)) == {Channel.SANDBOX}


def test_they_are_in_nobodys_conversation(number, draft, alice, rf):
    pair = ask(number)
    assert pair.live.conversation_id != pair.draft.conversation_id
    assert not Conversation.objects.filter(person__user=alice).exists()
    door = Door(rf.get("/"), number, alice, "")
    assert chat_page.latest(door) is None


def test_moderators_are_not_shown_a_draft_among_the_trials(number, draft):
    ask(number)
    assert review.dossier(number).sample == []


def test_a_second_try_knows_nothing_of_the_first(number, draft):
    factories.key(number, "https://x.example/v1")
    first = ask(number, "One?")
    done(first.draft, "1")
    second = planned(ask(number, "Two?").draft)
    assert [turn["content"] for turn in second.turns] == ["Rhyme.", "Two?"]


def test_their_answers_are_in_the_feed_as_trials(number, draft):
    done(ask(number).draft, "Rhymed.")
    [entry] = feed.look(feed.Look(number.pk)).entries
    assert (entry.message.channel, entry.person.open_id) == ("sandbox", beside.OPEN_ID)


def test_both_are_asked_or_neither(number, draft, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 1
    with pytest.raises(asking.Refused, match="1 trial"):
        ask(number)
    [first] = Message.objects.all()
    assert first.status == Status.CANCELLED


def test_what_a_trial_is_told_is_forgotten_with_its_prompt(number, draft):
    ask(number)
    assert set(Prompt.objects.values_list("robot__model", flat=True)) == {"echo", "slow"}


# The page ---------------------------------------------------------------------------------------


def test_asking_leads_to_both_answers(as_alice, draft, path):
    response = as_alice.post(path, {"message": "Hello?"})
    live, draft_s = Message.objects.order_by("pk")
    assert (response.status_code, response["Location"]) == (
        302,
        f"{path}?live={live.pk}&draft={draft_s.pk}",
    )
    shown = page(as_alice.get(response["Location"]))
    assert shown.count('hx-trigger="every 1s"') == 2
    assert "Hello?</textarea>" in shown


def test_the_answers_are_shown_with_time_and_tokens(as_alice, number, draft, path):
    pair = ask(number)
    done(pair.live, "**Short.**")
    done(pair.draft, "<script>x</script>")
    shown = page(as_alice.get(f"{path}?live={pair.live.pk}&draft={pair.draft.pk}"))
    assert "<strong>Short.</strong>" in shown
    assert "<script>x" not in shown
    assert shown.count("7 + 9 tokens") == 2
    assert "every 1s" not in shown


def test_without_a_draft_it_says_how_to_make_one(as_alice, number, path):
    shown = page(as_alice.get(path))
    assert "There is no draft to try." in shown
    assert as_alice.post(path, {"message": "Hello?"}).status_code == 200
    assert not Message.objects.exists()


def test_without_a_live_robot_it_asks_for_one_first(as_alice, number, draft, path):
    number.robot.delete()
    assert "There is no live robot yet" in page(as_alice.get(path))
    as_alice.post(path, {"message": "Hello?"})
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Type a message first."),
        (" \n", "Type a message first."),
        ("\0", "a character that cannot be stored"),
        ("q" * 16_001, "16001 characters"),
    ],
)
def test_it_says_beside_the_field_what_is_wrong(as_alice, draft, path, text, words):
    response = as_alice.post(path, {"message": text})
    assert (response.status_code, words in page(response)) == (200, True)
    assert not Message.objects.exists()


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_number_that_answers_nobody_says_so(as_alice, number, draft, path, state):
    talking.in_state(number, state)
    response = as_alice.post(path, {"message": "Hello?"})
    assert response.status_code == 409
    assert "This service number does not answer at present." in page(response)
    assert not Message.objects.exists()


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_before_the_approval_it_can_be_tried(as_alice, number, draft, path, state):
    talking.in_state(number, state)
    assert as_alice.post(path, {"message": "Hello?"}).status_code == 302


def test_a_quota_that_is_used_up_is_told_with_its_end(as_alice, draft, path, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 1
    response = as_alice.post(path, {"message": "Hello?"})
    assert (response.status_code, int(response["Retry-After"]) > 0) == (429, True)
    assert "used today&#x27;s 1 trial" in page(response)


# One answer as it comes -------------------------------------------------------------------------


def test_while_it_looks_the_same_nothing_is_sent(as_alice, number, draft):
    asked = ask(number).draft
    first = page(as_alice.get(part(number, asked), headers=talking.SCRIPT))
    shown = first.split("?shown=")[1].split('"')[0]
    again = as_alice.get(part(number, asked), {"shown": shown}, headers=talking.SCRIPT)
    assert again.status_code == 204


def test_what_is_said_so_far_is_shown(as_alice, number, draft, monkeypatch):
    asked = ask(number).draft
    claims.claim(asked.pk, "w")
    monkeypatch.setattr(beside.journal, "text_so_far", lambda *_place: "So <far>")
    assert "So &lt;far&gt;" in page(as_alice.get(part(number, asked), headers=talking.SCRIPT))


def test_of_a_suspended_number_nothing_more_is_shown(as_alice, number, draft, monkeypatch):
    asked = ask(number).draft
    claims.claim(asked.pk, "w")
    monkeypatch.setattr(beside.journal, "text_so_far", lambda *_place: "So far")
    talking.in_state(number, State.SUSPENDED)
    assert "So far" not in page(as_alice.get(part(number, asked), headers=talking.SCRIPT))


def test_the_settled_answer_ends_the_asking(as_alice, number, draft):
    asked = ask(number).draft
    done(asked, "Rhymed.")
    shown = page(as_alice.get(part(number, asked), headers=talking.SCRIPT))
    assert ("Rhymed." in shown, "hx-trigger" in shown) == (True, False)


def test_a_failed_answer_says_what_to_do(as_alice, number, draft):
    asked = ask(number).draft
    settlement.settle(claims.claim(asked.pk, "w"), settlement.failure(71001))
    shown = page(as_alice.get(part(number, asked), headers=talking.SCRIPT))
    assert reverse("number-keys", args=[number.app_id]) in shown


def test_by_itself_a_part_leads_to_the_page(as_alice, number, draft, path):
    assert as_alice.get(part(number, ask(number).draft))["Location"] == path


# Who may ----------------------------------------------------------------------------------------


def test_nothing_but_a_trial_of_the_number_is_shown(as_alice, number, draft, path):
    theirs = factories.number()
    robot = robots.save(theirs, {"model": "echo"}, actor=None)
    of_theirs = beside.ask(
        theirs, "?", robot, robots.keep_draft(theirs, robot.settings, actor=None)
    )
    for each in (factories.message(number).pk, of_theirs.live.pk, "\0", "x" * 99):
        assert as_alice.get(path, {"live": each, "draft": each}).status_code == 404
    response = as_alice.get(part(number, of_theirs.live), headers=talking.SCRIPT)
    assert response.status_code == 404


def test_half_a_pair_is_not_found(as_alice, number, draft, path):
    assert as_alice.get(path, {"live": ask(number).live.pk}).status_code == 404


def test_charlie_gets_nothing(client, charlie, number, draft, path):
    client.force_login(charlie)
    asked = ask(number).draft
    pages = [client.get(path), client.post(path, {"message": "?"}), client.get(part(number, asked))]
    assert [response.status_code for response in pages] == [404, 404, 404]
    assert Message.objects.count() == 2


def test_anonymous_people_are_asked_to_log_in(client, number, draft, path):
    login = reverse("account_login")
    assert client.get(path)["Location"].startswith(login)
    assert client.post(path, {"message": "?"})["Location"].startswith(login)
    assert not Message.objects.exists()


def test_other_methods_are_refused(as_alice, number, draft, path):
    assert as_alice.put(path).status_code == 405
    assert as_alice.post(part(number, ask(number).draft)).status_code == 405
