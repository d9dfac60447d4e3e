"""The line in front of a worker: numbers take turns, whatever each of them has waiting."""

import pytest

from bots import line
from bots.line import Line, Waiting

pytestmark = pytest.mark.alike


def plenty(_number_id):
    return 1_000


def line_of(**waiting: int) -> Line:
    """So many messages of each number; the ids say whose and which."""
    made = Line()
    for name, count in waiting.items():
        made.add(Waiting(f"{name}{index}", ord(name)) for index in range(count))
    return made


def test_numbers_take_turns():
    assert line_of(a=3, b=1, c=2).take(6, plenty) == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_whoever_was_served_last_is_served_last():
    waiting = line_of(a=3, b=3)
    assert waiting.take(1, plenty) == ["a0"]
    assert waiting.take(2, plenty) == ["b0", "a1"]


def test_ten_thousand_questions_of_one_number_keep_nobody_waiting():
    waiting = line_of(a=10_000)
    waiting.add([Waiting("b0", ord("b"))])
    assert "b0" in waiting.take(2, plenty)


def test_a_number_gets_no_more_than_its_share():
    waiting = line_of(a=5, b=5)
    assert waiting.take(10, {ord("a"): 1, ord("b"): 0}.get) == ["a0"]
    assert len(waiting) == 9


def test_what_is_in_the_line_is_not_added_again():
    waiting = line_of(a=1)
    waiting.add([Waiting("a0", ord("a")), Waiting("a0", None)])
    assert waiting.take(5, plenty) == ["a0"]


def test_what_was_taken_may_come_again():
    waiting = line_of(a=1)
    waiting.take(1, plenty)
    waiting.add([Waiting("a0", ord("a"))])
    assert waiting.take(1, plenty) == ["a0"]


def test_what_is_overdue_comes_before_its_number_s_others():
    waiting = line_of(a=2, b=2)
    waiting.add_first([Waiting("a8", ord("a")), Waiting("a9", ord("a")), Waiting("a1", ord("a"))])
    assert waiting.take(6, plenty) == ["a8", "b0", "a9", "b1", "a0", "a1"]


def test_the_line_is_bounded(monkeypatch):
    monkeypatch.setattr(line, "LENGTH_AT_MOST", 3)
    assert len(line_of(a=5)) == 3


def test_a_full_line_has_room_for_the_first_of_a_number(monkeypatch):
    monkeypatch.setattr(line, "LENGTH_AT_MOST", 3)
    assert line_of(a=5, b=2).take(9, plenty) == ["a0", "b0", "a1", "a2"]


def test_an_emptied_line_says_what_was_in_it():
    waiting = line_of(a=1, b=1)
    assert waiting.empty() == [Waiting("a0", ord("a")), Waiting("b0", ord("b"))]
    assert waiting.take(5, plenty) == []


def test_only_whose_turn_it_is_is_looked_at():
    """With ten thousand numbers in line each free place would cost 20 ms otherwise."""
    asked: list[int | None] = []

    def share_of(number_id):
        asked.append(number_id)
        return 1

    line_of(a=1, b=1, c=1, d=1).take(2, share_of)
    assert asked == [ord("a"), ord("b")]


def test_what_could_be_taken_is_counted_by_shares():
    assert line_of(a=5, b=1).ready({ord("a"): 2, ord("b"): 2}.get) == 3
