"""Versions of a robot: what is published, in one order; the draft beside it; the way back."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.apps import apps
from django.db import close_old_connections

from bots import review, robots
from bots.models import ApiKey, KeyStatus, Robot, RobotDraft, RobotVersion
from portal import moderation
from portal.models import AuditEntry, State
from portal.numbers import EditRefused
from tests import factories
from tests.bots import talking

pytestmark = pytest.mark.django_db

URL = "https://api.example.com/v1"


def versions(number) -> list[tuple[int, str, str]]:
    """Number, model and prompt of each, the oldest first."""
    return list(number.versions.order_by("no").values_list("no", "model", "system_prompt"))


def draft(number, **told: Any) -> RobotDraft:
    robot = Robot.objects.get(number=number)
    return robots.keep_draft(number, robot.settings | told, actor=number.owner, note="A try.")


@pytest.fixture
def published(number):
    """A number whose robot has the versions 1 (model one), 2 (two) and 3 (three)."""
    Robot.objects.filter(number=number).delete()
    for model in ("one", "two", "three"):
        robots.save(number, {"model": model}, actor=number.owner, note=f"To {model}.")
    return number


# Publishing -------------------------------------------------------------------------------------


def test_each_change_of_what_is_versioned_makes_the_next_version(published):
    robots.save(published, {"system_prompt": "Rhyme.", "temperature": 0.5}, actor=None)
    live = published.versions.live()
    assert [no for no, _model, _prompt in versions(published)] == [1, 2, 3, 4]
    assert (live.no, live.model, live.system_prompt, live.temperature) == (
        4,
        "three",
        "Rhyme.",
        0.5,
    )


def test_a_version_says_who_published_it_and_why(published, alice):
    live = published.versions.live()
    assert (live.published_by, live.note, live.back_to) == (alice, "To three.", None)


def test_what_is_not_versioned_makes_no_version(published):
    told = {"greeting": "Hi.", "guests_allowed": True, "suggested_questions": ["Who?"]}
    robots.save(published, told, actor=None)
    assert len(versions(published)) == 3


def test_the_same_again_makes_no_version(published):
    robots.save(published, {"model": "three"}, actor=None)
    assert len(versions(published)) == 3


def test_the_audit_trail_names_the_version(published):
    entry = AuditEntry.objects.filter(action="robot.edit").latest("pk")
    assert entry.details == {"changes": {"model": ["two", "three"]}, "version": 3}


def test_what_an_earlier_release_wrote_becomes_a_version_before_it_is_overwritten(published):
    Robot.objects.update(system_prompt="By an earlier release.")
    robots.save(published, {"system_prompt": "Rhyme."}, actor=None)
    assert versions(published)[3:] == [
        (4, "three", "By an earlier release."),
        (5, "three", "Rhyme."),
    ]


def publish_apart(job: tuple[Any, int]) -> None:
    number, nth = job
    try:
        robots.save(number, {"system_prompt": f"Prompt {nth}"}, actor=None)
    finally:
        close_old_connections()


@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_at_once_each_gets_a_version(alice):
    number = factories.number(owner=alice)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(publish_apart, [(number, nth) for nth in range(16)]))
    found = versions(number)
    assert [no for no, _model, _prompt in found] == list(range(1, 18))  # the first was found
    assert {prompt for _no, _model, prompt in found[1:]} == {f"Prompt {n}" for n in range(16)}
    assert Robot.objects.get(number=number).versioned == number.versions.live().versioned


# Going back -------------------------------------------------------------------------------------


def test_going_back_publishes_the_earlier_version_anew(published, alice):
    live = robots.roll_back(published, 1, actor=alice)
    assert (live.no, live.model, live.back_to, live.published_by) == (4, "one", 1, alice)
    assert Robot.objects.get().model == "one"
    assert [model for _no, model, _prompt in versions(published)] == ["one", "two", "three", "one"]


def test_going_back_leaves_what_is_not_versioned(published):
    robots.save(published, {"greeting": "Hi."}, actor=None)
    robots.roll_back(published, 1, actor=None)
    assert Robot.objects.get().greeting == "Hi."


def test_going_back_twice_is_done_once(published):
    robots.roll_back(published, 1, actor=None)
    assert robots.roll_back(published, 1, actor=None).no == 4
    assert AuditEntry.objects.filter(action="robot.rollback").count() == 1


def test_going_back_is_in_the_audit_trail(published, alice):
    robots.roll_back(published, 2, actor=alice)
    entry = AuditEntry.objects.get(action="robot.rollback")
    told = {"changes": {"model": ["three", "two"]}, "version": 4, "back_to": 2}
    assert (entry.actor, entry.details) == (alice, told)


def test_another_model_has_the_keys_checked_anew(published):
    factories.key(published, URL)
    robots.roll_back(published, 1, actor=None)
    assert ApiKey.objects.get().status == KeyStatus.PENDING


def test_a_moderator_sees_what_going_back_has_changed(published, moderator):
    robots.save(published, {"system_prompt": "Ask for money."}, actor=None)
    robots.save(published, {"system_prompt": "Be kind."}, actor=None)
    talking.in_state(published, State.IN_REVIEW)
    moderation.move(published, moderation.APPROVE, actor=moderator)
    robots.roll_back(published, 4, actor=None)
    [change] = review.dossier(published).changes
    told = [f"{line.sign}{line.text}" for line in change.lines]
    assert (change.label, told) == ("system prompt", ["-Be kind.", "+Ask for money."])


def test_there_is_no_way_back_to_a_version_of_another_number(published, charlies_number):
    with pytest.raises(RobotVersion.DoesNotExist):
        robots.roll_back(charlies_number, 1, actor=None)
    assert Robot.objects.get(number=charlies_number).model == "echo"


# The draft --------------------------------------------------------------------------------------


def test_a_draft_changes_nothing_that_is_live(published):
    before = Robot.objects.get().settings
    draft(published, model="four", greeting="Later.")
    assert Robot.objects.get().settings == before
    assert len(versions(published)) == 3


def test_a_draft_leaves_no_trace_that_moderators_would_have_to_look_at(published):
    before = AuditEntry.objects.count()
    draft(published, model="four")
    assert AuditEntry.objects.count() == before


def test_a_number_has_one_draft_the_last_that_was_saved(published):
    draft(published, model="four")
    draft(published, model="five")
    assert RobotDraft.objects.get().model == "five"


def test_publishing_the_draft_makes_all_of_it_live(published, alice):
    kept = draft(published, model="four", greeting="Now.")
    live = robots.publish_draft(published, kept.stamp, actor=alice)
    robot = Robot.objects.get()
    assert (live.no, live.model, live.note, live.published_by) == (4, "four", "A try.", alice)
    assert (robot.model, robot.greeting) == ("four", "Now.")
    assert not RobotDraft.objects.exists()


def test_publishing_the_draft_has_the_keys_checked_for_its_model(published):
    factories.key(published, URL)
    robots.publish_draft(published, draft(published, model="four").stamp, actor=None)
    assert ApiKey.objects.get().status == KeyStatus.PENDING


def test_a_draft_that_was_saved_again_is_not_published_unseen(published):
    seen = draft(published, model="four")
    draft(published, model="five")
    with pytest.raises(robots.DraftRefused, match="saved again"):
        robots.publish_draft(published, seen.stamp, actor=None)
    assert Robot.objects.get().model == "three"


def test_a_draft_is_published_once(published):
    kept = draft(published, model="four")
    robots.publish_draft(published, kept.stamp, actor=None)
    with pytest.raises(robots.DraftRefused, match="not there"):
        robots.publish_draft(published, kept.stamp, actor=None)


def test_saving_what_the_draft_says_is_publishing_it(published):
    kept = draft(published, model="four")
    robots.save(published, kept.settings, actor=None)
    assert not RobotDraft.objects.exists()


def test_saving_something_else_leaves_the_draft(published):
    draft(published, model="four")
    robots.save(published, {"model": "five"}, actor=None)
    assert RobotDraft.objects.get().model == "four"


def test_discarding_the_draft_leaves_what_is_live(published):
    robots.discard_draft(published, draft(published, model="four").stamp)
    assert not RobotDraft.objects.exists()
    assert Robot.objects.get().model == "three"


@pytest.mark.parametrize(
    "deed",
    [
        lambda number, kept: robots.save(number, {"model": "new"}, actor=None),
        lambda number, kept: robots.roll_back(number, 1, actor=None),
        lambda number, kept: robots.keep_draft(number, kept.settings, actor=None),
        lambda number, kept: robots.publish_draft(number, kept.stamp, actor=None),
        lambda number, kept: robots.discard_draft(number, kept.stamp),
    ],
    ids=["save", "roll back", "keep draft", "publish", "discard"],
)
def test_of_a_closed_number_nothing_changes(published, deed):
    kept = draft(published, model="four")
    talking.in_state(published, State.CLOSED)
    with pytest.raises(EditRefused, match="closed"):
        deed(published, kept)
    assert (len(versions(published)), RobotDraft.objects.get().stamp) == (3, kept.stamp)


# Those of before --------------------------------------------------------------------------------


def first_versions() -> None:
    importlib.import_module("bots.migrations.0015_first_versions").make_first_versions(apps, None)


def test_what_was_live_before_there_were_versions_is_version_1(number, alice):
    robots.save(number, {"system_prompt": "Rhyme."}, actor=alice)
    RobotVersion.objects.all().delete()
    first_versions()
    [version] = number.versions.all()
    edited = AuditEntry.objects.get(action="robot.edit")
    assert (version.no, version.versioned) == (1, Robot.objects.get().versioned)
    assert (version.published_at, version.published_by) == (edited.at, alice)


def test_a_robot_that_nobody_has_edited_is_as_old_as_its_number(number):
    first_versions()
    [version] = number.versions.all()
    assert (version.published_at, version.published_by) == (number.created_at, None)


def test_a_robot_that_has_versions_gets_no_other(published, charlies_number):
    first_versions()
    assert len(versions(published)) == 3
    assert len(versions(charlies_number)) == 1
