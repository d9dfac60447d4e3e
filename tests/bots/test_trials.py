"""An owner's trials in the chat: counted with those of his systems."""

import pytest
from django.utils.html import escape

from bots import quotas, trials
from bots.models import Channel, Message
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.conftest import page


@pytest.fixture
def draft(number):
    return talking.in_state(number, State.DRAFT)


def test_a_trial_in_the_chat_counts(as_alice, draft):
    talking.ask(as_alice, draft)
    assert trials.limit_of(draft).used() == 1


def test_the_last_trial_of_the_day_says_so(as_alice, draft, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 2
    by_system = factories.question(draft, open_id="sandbox", channel=Channel.SANDBOX)
    quotas.ask(by_system, *trials.terms(draft, "sandbox", Channel.DDIO).limits)
    first, second = (talking.ask(as_alice, draft) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 429)
    told = "You have used today's 2 trials of your service numbers. Come back tomorrow."
    assert escape(told) in page(second)
    assert int(second["Retry-After"]) > 0


def test_a_refusal_offers_no_login_to_who_is_signed_in(as_alice, draft, settings):
    settings.SANDBOX_ASKS_PER_OWNER_AND_DAY = 1
    answers = [talking.ask_by_script(as_alice, draft) for _ in range(2)]
    assert "login" not in page(answers[1])


def test_what_people_ask_is_no_trial(client, number, charlie):
    client.force_login(charlie)
    talking.ask(client, number)
    assert Message.objects.get().channel == Channel.WEB
    assert trials.limit_of(number).used() == 0
