"""What works before a number is approved: its owner's trials, and reading them."""

import pytest

from bots import people, quotas, trials
from bots.models import Channel, Message
from portal.models import ServiceNumber, State
from tests import factories
from tests.conftest import ddio_client
from tests.ddio_api.answers import settle

pytestmark = pytest.mark.django_db
NOT_APPROVED = [State.DRAFT, State.IN_REVIEW, State.REJECTED]
EACH_STATE = pytest.mark.parametrize("state", NOT_APPROVED)


def ask(client, open_id="sandbox", **more):
    return client.post("chat/send", {"openID": open_id, "message": "Hello?"} | more)


@pytest.fixture
def draft(alice) -> ServiceNumber:
    return factories.number(owner=alice, state=State.DRAFT)


@pytest.fixture
def client_of_draft(draft):
    return ddio_client(draft)


@EACH_STATE
def test_the_name_sandbox_asks_in_the_sandbox(alice, state):
    answer = ask(ddio_client(factories.number(owner=alice, state=state)))
    assert answer.status_code == 202
    assert Message.objects.get().channel == Channel.SANDBOX


def test_the_owners_own_name_of_the_platforms_asks_too(client_of_draft, draft, alice):
    assert ask(client_of_draft, people.of_user(draft, alice).open_id).status_code == 202
    assert Message.objects.get().channel == Channel.SANDBOX


@EACH_STATE
def test_any_other_name_is_refused_and_told_the_way(alice, state):
    answer = ask(ddio_client(factories.number(owner=alice, state=state)), "alice")
    assert (answer.status_code, answer.json()["code"]) == (403, 48001)
    assert str(State(state).label) in answer.json()["msg"]
    assert "sandbox" in answer.json()["msg"]
    assert not Message.objects.exists()


def test_somebody_elses_name_of_the_platforms_is_any_other(client_of_draft, draft, charlie):
    theirs = people.of_user(draft, charlie).open_id
    assert [ask(client_of_draft, name).json()["code"] for name in (theirs, "o_x", "Sandbox")] == [
        48001
    ] * 3


def test_the_owners_name_with_another_number_is_any_other(client_of_draft, number, alice):
    assert ask(client_of_draft, people.of_user(number, alice).open_id).json()["code"] == 48001


def test_at_an_approved_number_sandbox_is_a_name_like_any_other(client_of_alice, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 1
    assert [ask(client_of_alice).status_code for _ in range(3)] == [202] * 3
    assert set(Message.objects.values_list("channel", flat=True)) == {Channel.DDIO}


def test_wrong_fields_are_named_before_the_state(client_of_draft):
    assert client_of_draft.post("chat/send", {"openID": 5}).json()["code"] == 47001


# The cap ----------------------------------------------------------------------------------------


def test_trials_are_capped_over_all_numbers_of_the_owner(alice, draft, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 3
    other = factories.number(owner=alice, state=State.REJECTED)
    clients = [ddio_client(made) for made in (draft, other)]
    answers = [ask(client) for _ in range(2) for client in clients]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    assert answers[-1].json()["code"] == 45009
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_another_owners_trials_are_his_own(client_of_draft, charlie, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 1
    ask(client_of_draft)
    theirs = ddio_client(factories.number(owner=charlie, state=State.DRAFT))
    assert ask(theirs).status_code == 202


def test_a_refused_trial_takes_nothing(client_of_draft, draft, settings):
    settings.PENDING_PER_PERSON = 1
    answers = [ask(client_of_draft) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 429, 429]
    assert trials.limit_of(draft).used() == 1


def test_a_repeated_trial_takes_nothing(client_of_draft, draft):
    body, key = {"openID": "sandbox", "message": "Hello?"}, {"Idempotency-Key": "k1"}
    _twice = [client_of_draft.post("chat/send", body, **key) for _ in range(2)]
    assert trials.limit_of(draft).used() == 1
    assert quotas.limit_of_number(draft.pk).used() == 1


# What goes with it --------------------------------------------------------------------------------


@EACH_STATE
def test_trials_are_read_rated_cancelled_and_listed(alice, state):
    made = factories.number(owner=alice, state=state)
    client = ddio_client(made)
    message = settle(factories.message(made, open_id="sandbox", channel="sandbox"))
    calls = [
        client.get("chat/feedback"),
        client.get(f"chat/feedback/{message.pk}"),
        client.post(f"chat/feedback/{message.pk}/rating", {"rating": "like"}),
        client.post("chat/cancel", {"messageID": message.pk}),
        client.get("chat/conversations", {"openID": "sandbox"}),
        client.get(f"chat/conversations/{message.conversation_id}/messages"),
        client.get("quota"),
    ]
    assert [answer.status_code for answer in calls] == [200] * 7


# For every door -----------------------------------------------------------------------------------


def test_an_approved_number_asks_by_the_doors_own_channel(number):
    assert trials.terms(number, "sandbox", Channel.OPENAI) == trials.Terms(Channel.OPENAI)


def test_any_door_asks_a_trial_on_the_same_terms(draft):
    terms = trials.terms(draft, "sandbox", Channel.OPENAI)
    assert (terms.channel, terms.limits) == (Channel.SANDBOX, (trials.limit_of(draft),))


def test_any_door_refuses_who_tries_nothing_out(draft):
    with pytest.raises(trials.OnlyTrials):
        trials.terms(draft, "openai", Channel.OPENAI)
