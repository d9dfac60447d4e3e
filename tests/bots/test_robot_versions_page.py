"""The pages of a robot's versions, and the draft on the robot's own page."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bots import robots, versions
from bots.models import Robot, RobotDraft
from portal.models import State
from tests import factories
from tests.bots import talking
from tests.bots.test_robot_page import FORM
from tests.conftest import page

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(number, alice):
    """The robot as it was found, and a version 2 with another model and prompt."""
    told = {"model": "gpt-5", "system_prompt": "Be brief.\nRhyme."}
    robots.save(number, told, actor=alice, note="It was <b>dry</b>.")
    return number


@pytest.fixture
def draft(published, alice):
    told = Robot.objects.get().settings | {"model": "gpt-6", "greeting": "Later."}
    return robots.keep_draft(published, told, actor=alice)


def to(name: str, number, *rest: str) -> str:
    return reverse(name, args=[number.app_id, *rest])


# On the robot's page ----------------------------------------------------------------------------


def test_the_robots_page_says_which_version_is_live(as_alice, published):
    shown = page(as_alice.get(to("number-robot", published)))
    assert "Live: version 2" in shown
    assert "by alice@example.org" in shown
    assert to("robot-versions", published) in shown


def test_before_the_first_version_it_says_nothing_of_versions(as_alice, number):
    number.robot.delete()
    shown = page(as_alice.get(to("number-robot", number)))
    assert ("Live: version" in shown, "Save as draft" in shown) == (False, False)
    assert 'name="note"' not in shown


def test_saving_publishes_with_the_note_that_was_typed(as_alice, published):
    as_alice.post(to("number-robot", published), FORM | {"note": "Shorter."})
    live = published.versions.live()
    assert (live.no, live.model, live.note) == (3, "gpt-5-mini", "Shorter.")


def test_a_note_that_is_too_long_is_refused_beside_the_field(as_alice, published):
    response = as_alice.post(to("number-robot", published), FORM | {"note": "n" * 201})
    assert "at most 200 characters" in page(response)
    assert published.versions.live().no == 2


def test_saving_as_a_draft_keeps_the_whole_form_and_nothing_is_live(as_alice, published):
    before = Robot.objects.get().settings
    response = as_alice.post(to("number-robot", published), FORM | {"as": "draft", "note": "Why."})
    kept = RobotDraft.objects.get()
    assert response["Location"] == to("number-robot", published) + "?draft"
    assert (kept.model, kept.greeting, kept.guests_allowed) == ("gpt-5-mini", "Hello.", True)
    assert (kept.note, Robot.objects.get().settings) == ("Why.", before)


def test_the_draft_is_shown_only_where_it_is_asked_for(as_alice, draft, published):
    live = page(as_alice.get(to("number-robot", published)))
    shown = page(as_alice.get(to("number-robot", published) + "?draft"))
    assert ('value="gpt-5"' in live, 'value="gpt-6"' in live) == (True, False)
    assert ('value="gpt-5"' in shown, 'value="gpt-6"' in shown) == (False, True)


def test_a_draft_that_waits_says_what_is_different(as_alice, draft, published):
    shown = page(as_alice.get(to("number-robot", published)))
    assert "A draft waits" in shown
    assert "<strong>Model</strong> · <strong>Greeting</strong>" in shown


def test_without_a_draft_its_address_shows_the_live_one(as_alice, published):
    assert 'value="gpt-5"' in page(as_alice.get(to("number-robot", published) + "?draft"))


def test_publishing_the_draft_says_so_and_leads_to_the_chat(as_alice, draft, published):
    path = to("robot-publish", published)
    shown = page(as_alice.post(path, {"seen": draft.stamp}, follow=True))
    assert "Version 3 is live." in shown
    assert "Try it in the chat" in shown
    assert Robot.objects.get().greeting == "Later."


def test_a_model_that_no_key_lists_is_published_with_a_warning(as_alice, draft, published):
    factories.key(published, "https://api.example.com/v1", models_listed=["other"])
    path = to("robot-publish", published)
    shown = page(as_alice.post(path, {"seen": draft.stamp}, follow=True))
    assert "None of your API keys lists this model" in shown


def test_discarding_the_draft_says_so(as_alice, draft, published):
    path = to("robot-discard", published)
    shown = page(as_alice.post(path, {"seen": draft.stamp}, follow=True))
    assert "The draft is thrown away." in shown
    assert not RobotDraft.objects.exists()


@pytest.mark.parametrize("name", ["robot-publish", "robot-discard"])
@pytest.mark.parametrize("seen", ["", "\0", "2026-01-01T00:00:00+00:00", "x" * 10_000])
def test_a_draft_that_was_not_looked_at_stays(as_alice, draft, published, name, seen):
    shown = page(as_alice.post(to(name, published), {"seen": seen}, follow=True))
    assert "the draft was saved again meanwhile" in shown
    assert (RobotDraft.objects.count(), published.versions.live().no) == (1, 2)


# The versions -----------------------------------------------------------------------------------


def test_the_versions_are_listed_newest_first_with_what_changed(as_alice, published):
    shown = page(as_alice.get(to("robot-versions", published)))
    assert shown.index("Version 2") < shown.index("Version 1")
    assert "echo → gpt-5" in shown
    assert "+1 −0 lines" in shown
    assert "It was &lt;b&gt;dry&lt;/b&gt;." in shown
    assert "The first version" in shown


def test_the_live_version_has_no_way_back(as_alice, published):
    shown = page(as_alice.get(to("robot-versions", published)))
    back = [to("robot-rollback", published, no) in shown for no in ("1", "2")]
    assert back == [True, False]


def test_a_number_without_a_version_says_how_the_first_is_made(as_alice, number):
    assert "saving the robot makes the first" in page(as_alice.get(to("robot-versions", number)))


def test_old_versions_are_on_pages_of_their_own(as_alice, published):
    for nth in range(versions.PAGE):
        robots.save(published, {"model": f"m{nth}"}, actor=None)
    path = to("robot-versions", published)
    newest, older = page(as_alice.get(path)), page(as_alice.get(f"{path}?before=3"))
    assert ("Version 22" in newest, "?before=3" in newest, "Version 2<" in newest) == (
        True,
        True,
        False,
    )
    assert ("Version 2<" in older, "Version 1<" in older, "Version 3<" in older) == (
        True,
        True,
        False,
    )


def test_more_versions_cost_no_more_queries(as_alice, published):
    path = to("robot-versions", published)
    with CaptureQueriesContext(connection) as few:
        as_alice.get(path)
    for nth in range(10):
        robots.save(published, {"model": f"m{nth}"}, actor=published.owner)
    with CaptureQueriesContext(connection) as more:
        as_alice.get(path)
    assert len(more) == len(few)


def test_a_version_is_shown_whole_with_what_would_change(as_alice, published):
    shown = page(as_alice.get(to("robot-version", published, "1")))
    assert "<code>echo</code>" in shown
    assert "What would change of the live version 2" in shown
    assert '<del><span class="visually-hidden">was: </span>Rhyme.</del>' in shown


def test_a_version_that_says_the_same_would_change_nothing(as_alice, published):
    robots.roll_back(published, 1, actor=None)
    shown = page(as_alice.get(to("robot-version", published, "1")))
    assert "Nothing: the live version says the same." in shown


@pytest.mark.parametrize("no", ["0", "3", "-1", "x", "٣", "9" * 30, "1.0"])
def test_what_is_no_version_is_not_found(as_alice, published, no):
    assert as_alice.get(to("robot-version", published, no)).status_code == 404
    assert as_alice.post(to("robot-rollback", published, no)).status_code == 404
    assert published.versions.live().no == 2


@pytest.mark.parametrize("before", ["", "-1", "x", "9" * 30])
def test_what_is_no_place_in_the_list_is_not_found(as_alice, published, before):
    response = as_alice.get(to("robot-versions", published), {"before": before})
    assert response.status_code == 404


def test_one_click_makes_an_earlier_version_live_again(as_alice, published):
    path = to("robot-rollback", published, "1")
    shown = page(as_alice.post(path, follow=True))
    assert "What version 1 said is live again, as version 3." in shown
    assert "Back to version 1" in shown
    assert Robot.objects.get().model == "echo"


def test_a_closed_number_says_why_nothing_was_done(as_alice, published):
    talking.in_state(published, State.CLOSED)
    shown = page(as_alice.post(to("robot-rollback", published, "1"), follow=True))
    assert "Nothing was saved: the service number is closed." in shown
    assert "Make it live again" not in shown
    assert published.versions.live().no == 2


# Who may ----------------------------------------------------------------------------------------

ROUTES = [
    ("get", "robot-versions", []),
    ("get", "robot-version", ["1"]),
    ("post", "robot-rollback", ["1"]),
    ("post", "robot-publish", []),
    ("post", "robot-discard", []),
]


@pytest.mark.parametrize(("method", "name", "rest"), ROUTES)
def test_charlie_gets_nothing(client, charlie, draft, published, method, name, rest):
    client.force_login(charlie)
    act = getattr(client, method)
    assert act(to(name, published, *rest), {"seen": draft.stamp}).status_code == 404
    assert (published.versions.live().no, RobotDraft.objects.count()) == (2, 1)


@pytest.mark.parametrize(("method", "name", "rest"), ROUTES)
def test_anonymous_people_are_asked_to_log_in(client, draft, published, method, name, rest):
    response = getattr(client, method)(to(name, published, *rest), {"seen": draft.stamp})
    assert response["Location"].startswith(reverse("account_login"))
    assert (published.versions.live().no, RobotDraft.objects.count()) == (2, 1)


@pytest.mark.parametrize(("method", "name", "rest"), ROUTES)
def test_other_methods_are_refused(as_alice, published, method, name, rest):
    other = {"get": as_alice.post, "post": as_alice.get}[method]
    assert other(to(name, published, *rest)).status_code == 405
