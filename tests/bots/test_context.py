"""What the model is shown of a conversation."""

from bots import claims, context, settlement
from bots.chat import Given
from bots.models import Robot, Status
from bots.settlement import Outcome
from tests import factories


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def answered(number, question: str, answer: str) -> None:
    claimed = claims.claim(factories.message(number, question).pk, "w1")
    settlement.settle(claimed, Outcome(Status.DONE, answer=answer))


def test_it_begins_with_the_robots_prompt_and_ends_with_the_question(number):
    turns = context.build(number.robot, factories.message(number, "Why?"))
    assert turns == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]


def test_it_holds_the_earlier_turns_in_order(number):
    answered(number, "One?", "1")
    answered(number, "Two?", "2")
    turns = context.build(number.robot, factories.message(number, "Three?"))
    assert [turn["content"] for turn in turns] == ["Be brief.", "One?", "1", "Two?", "2", "Three?"]


def test_it_leaves_out_the_oldest_turns_whole(number):
    answered(number, "long ago " * 400, "1")
    answered(number, "Two?", "2")
    Robot.objects.update(context_tokens=200)
    number.robot.refresh_from_db()
    turns = context.build(number.robot, factories.message(number, "Three?"))
    assert [turn["content"] for turn in turns] == ["Be brief.", "Two?", "2", "Three?"]


def shown(number, text: str, room: int) -> list[str]:
    """What a question is sent with where there is so much room for the earlier turns."""
    fixed = context.size([turn("system", "Be brief."), turn("user", text)])
    number.robot.context_tokens = fixed + room
    turns = context.build(number.robot, factories.message(number, text))
    return [each["content"] for each in turns]


def test_a_turn_is_there_whole_or_not_at_all(number):
    answered(number, "Two?", "2 " * 40)
    whole = context.size([turn("user", "Two?"), turn("assistant", "2 " * 40)])
    assert shown(number, "Three?", whole - 1) == ["Be brief.", "Three?"]
    assert shown(number, "Four?", whole) == ["Be brief.", "Two?", "2 " * 40, "Four?"]


def test_what_is_older_than_a_turn_left_out_is_left_out_too(number):
    answered(number, "One?", "1")
    answered(number, "Two?", "2 " * 400)
    answered(number, "Three?", "3")
    assert shown(number, "Four?", 100) == ["Be brief.", "Three?", "3", "Four?"]


def test_of_a_chinese_conversation_the_newest_turns_stay(number):
    for nth in "一二三":
        answered(number, f"第{nth}个问题是什么？", f"第{nth}个回答。")
    turns = [turn("user", "第三个问题是什么？"), turn("assistant", "第三个回答。")]
    room = 2 * context.size(turns)
    assert shown(number, "还有呢？", room)[1:-1] == [
        "第二个问题是什么？",
        "第二个回答。",
        "第三个问题是什么？",
        "第三个回答。",
    ]
    assert shown(number, "然后呢？", room - 1)[1:-1] == ["第三个问题是什么？", "第三个回答。"]


def test_the_question_is_there_however_long_it_is(number):
    answered(number, "One?", "1")
    question = "为什么？" * 500
    assert shown(number, question, -1_000) == ["Be brief.", question]


def test_it_leaves_out_answers_that_failed(number):
    claimed = claims.claim(factories.message(number, "One?").pk, "w1")
    settlement.settle(claimed, settlement.failure(71006))
    turns = context.build(number.robot, factories.message(number, "Two?"))
    assert [turn["content"] for turn in turns] == ["Be brief.", "Two?"]


def test_chinese_counts_a_token_a_character():
    assert context.estimate_tokens("你好，世界") == 6
    assert context.estimate_tokens("hello world!") == 4


# What a caller gave instead ---------------------------------------------------------------------


def given(number, *turns) -> list[str]:
    """What the model is shown of these turns, the robot's own prompt first."""
    message = factories.message(number, "Now?", given=Given([turn(*each) for each in turns]))
    return [each["content"] for each in context.build(number.robot, message, message.prompt)]


def test_it_shows_the_turns_that_were_given_instead_of_a_conversation(number):
    answered(number, "One?", "1")
    shown = given(number, ("user", "A?"), ("assistant", "a"), ("user", "Now?"))
    assert shown == ["Be brief.", "A?", "a", "Now?"]


def test_the_callers_system_messages_come_behind_the_robots(number):
    shown = given(number, ("user", "A?"), ("system", "Rhyme."), ("user", "Now?"))
    assert shown == ["Be brief.", "Rhyme.", "A?", "Now?"]


def test_it_leaves_out_the_oldest_of_what_was_given(number):
    number.robot.context_tokens = 200
    old = [("user", "long ago " * 400), ("assistant", "1")]
    shown = given(number, *old, ("user", "Two?"), ("assistant", "2"), ("user", "Now?"))
    assert shown == ["Be brief.", "Two?", "2", "Now?"]


def test_it_keeps_system_messages_and_the_last_turn_however_long(number):
    number.robot.context_tokens = 100
    system, last = ("system", "Rhyme. " * 300), ("user", "Now? " * 300)
    shown = given(number, ("user", "One?"), ("assistant", "1"), system, last)
    assert shown == ["Be brief.", system[1], last[1]]


def test_it_keeps_an_answer_that_was_begun(number):
    number.robot.context_tokens = 100
    begun = [("user", "Now? " * 300), ("assistant", "Well,")]
    assert given(number, ("user", "One?"), *begun) == ["Be brief.", "Now? " * 300, "Well,"]


def test_it_shows_an_answer_that_nobody_asked_for(number):
    assert given(number, ("assistant", "Hi!"), ("user", "Now?")) == ["Be brief.", "Hi!", "Now?"]
