"""What the model is shown of a conversation."""

from bots import claims, context, settlement
from bots.models import Robot, Status
from bots.settlement import Outcome
from tests import factories


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


def test_it_leaves_out_answers_that_failed(number):
    claimed = claims.claim(factories.message(number, "One?").pk, "w1")
    settlement.settle(claimed, settlement.failure(71006))
    turns = context.build(number.robot, factories.message(number, "Two?"))
    assert [turn["content"] for turn in turns] == ["Be brief.", "Two?"]


def test_chinese_counts_a_token_a_character():
    assert context.estimate_tokens("你好，世界") == 6
    assert context.estimate_tokens("hello world!") == 4
