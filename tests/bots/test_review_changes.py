"""What changed since the last decision: from the first edit to what stands there now."""

import pytest

from bots import review, robots
from bots.models import Robot
from bots.review_changes import changes_since
from portal import audit, moderation, numbers
from portal.models import AuditEntry, ServiceNumber, State
from tests import factories


@pytest.fixture
def approved(alice) -> ServiceNumber:
    number = factories.number(owner=alice, state=State.IN_REVIEW)
    moderation.move(number, moderation.APPROVE, actor=None)
    return number


def changed(number: ServiceNumber) -> dict[str, list[str]]:
    decision = AuditEntry.objects.get(number=number, action="number.approve")
    return {
        str(change.label): [f"{line.sign}{line.text}" for line in change.lines]
        for change in changes_since(decision)
    }


def edit_often(number: ServiceNumber) -> None:
    for nth in range(120):
        audit.record(
            "robot.edit", actor=None, number=number, changes={"greeting": [f"{nth}", f"{nth + 1}"]}
        )


def test_many_edits_of_one_field_do_not_hide_another(approved, alice):
    robots.save(approved, {"system_prompt": "Ask for money."}, actor=alice)
    edit_often(approved)
    assert changed(approved)["system prompt"] == ["-Be brief.", "+Ask for money."]


def test_many_edits_do_not_move_the_beginning(approved, alice):
    robots.save(approved, {"greeting": "Hello."}, actor=alice)
    edit_often(approved)
    Robot.objects.filter(number=approved).update(greeting="Hi.")
    assert changed(approved) == {"greeting": ["+Hi."]}


def test_prompts_of_very_many_lines_are_shown_whole_instead_of_compared(approved, alice):
    prompts = ["\n".join(str(line % 7) for line in range(count)) for count in (600, 700)]
    Robot.objects.filter(number=approved).update(system_prompt=prompts[0])
    robots.save(approved, {"system_prompt": prompts[1]}, actor=alice)
    assert changed(approved)["system prompt"] == [f"-{prompts[0]}", f"+{prompts[1]}"]


def test_what_was_changed_back_is_no_news(approved, alice):
    numbers.edit(approved, {"introduction": "Now it sells."}, actor=alice)
    numbers.edit(approved, {"introduction": ""}, actor=alice)
    assert changed(approved) == {}


def test_a_field_that_there_is_no_more_shows_what_was_written(approved):
    changes = {"retired": ["a", "b"], "greeting": ["", ""]}
    audit.record("robot.edit", actor=None, number=approved, changes=changes)
    assert changed(approved) == {"retired": ["-a", "+b"]}


@pytest.mark.parametrize(("count", "is_cut"), [(review.HISTORY, False), (review.HISTORY + 1, True)])
def test_the_history_says_when_it_is_cut(client, moderator, approved, count, is_cut):
    missing = count - AuditEntry.objects.filter(number=approved).count()
    _rows = [audit.record("secret.reset", actor=None, number=approved) for _nth in range(missing)]
    client.force_login(moderator)
    text = client.get(f"/review/{approved.app_id}/").content.decode()
    assert "AppSecret reset" in text
    assert ("Older entries are not shown." in text) is is_cut
