"""The safety filter around an attempt: where its words come from, and the gate of an answer."""

import itertools
import os
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bots import checks, plans, safety, safety_lists, safety_own
from bots.chat import Given
from bots.models import BlockedWords, Place, Robot, Source
from bots.safety import Blocked, Gate, Guard
from bots.safety_words import Words
from tests import factories

OURS = Guard(((Source.NUMBER, Words(["敏感词", "ass"])),))
BOTH = Guard(((Source.OPERATOR, Words(["违禁"])), (Source.NUMBER, Words(["敏感词"]))))


class Shown:
    """A journal that keeps what it is given."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def put(self, text: str) -> None:
        self.text.append(text)

    def __str__(self) -> str:
        return "".join(self.text)


def let_through(guard: Guard, pieces: list[str]) -> tuple[str, safety.Finding | None]:
    """What of an answer could be read, and what was found in it."""
    shown = Shown()
    gate = Gate(guard, shown)
    try:
        for piece in pieces:
            gate.put(piece)
        gate.end()
    except Blocked as blocked:
        return str(shown), blocked.finding
    return str(shown), None


# The gate ---------------------------------------------------------------------------------------


def test_without_lists_every_piece_goes_on_as_it_came():
    shown = Shown()
    Gate(Guard(), shown).put("敏感")
    assert shown.text == ["敏感"]


def test_what_begins_no_word_goes_on_at_once():
    shown = Shown()
    Gate(OURS, shown).put("你好，")
    assert shown.text == ["你好，"]


def test_what_may_begin_a_word_waits_for_the_next_piece():
    shown = Shown()
    gate = Gate(OURS, shown)
    gate.put("很敏")
    gate.put("感")
    before = str(shown)
    gate.put("的")
    assert (before, str(shown)) == ("很", "很敏感的")


def test_at_its_end_an_answer_is_whole():
    assert let_through(OURS, ["过", "敏感"]) == ("过敏感", None)


def test_nothing_of_a_word_is_shown():
    shown, found = let_through(OURS, ["这是敏", "*感", "*词，不", "是"])
    assert shown == "这是"
    assert found == safety.Finding(Place.ANSWER, Source.NUMBER, "敏感词", "这是敏*感*词，不")


def test_a_word_at_the_very_end_is_found_when_the_answer_ends():
    shown, found = let_through(OURS, ["kiss my ", "as", "s"])
    assert (shown, found.words) == ("kiss my ", "ass")


@pytest.mark.parametrize(
    ("text", "source"),
    [("违禁", Source.OPERATOR), ("敏感词", Source.NUMBER), ("敏违禁", "operator")],
)
def test_each_list_is_looked_through(text, source):
    shown, found = let_through(BOTH, ["一个", *text])
    assert (shown, found.source) == ("一个" + text[: len(text) - len(found.words)], source)


@given(st.text("敏感词违禁很as *\u200b", max_size=30), st.lists(st.integers(1, 4), max_size=30))
@hypothesis_settings(max_examples=500, deadline=None)
def test_an_answer_is_whole_or_blocked_whatever_its_pieces(text, sizes):
    """What was shown before it was blocked is forgotten; no part of a word is in it."""
    ends = [sum(sizes[: count + 1]) for count in range(len(sizes))]
    pieces = [text[start:end] for start, end in itertools.pairwise([0, *ends, len(text)])]
    shown, found = let_through(BOTH, pieces)
    most, found_by_signs = let_through(BOTH, list(text))
    assert bool(found) == bool(found_by_signs) == bool(BOTH.find([text]))
    assert most.startswith(shown)
    assert (shown == text) != bool(found)
    assert BOTH.find([most]) is None


# The operator's file ----------------------------------------------------------------------------


@pytest.fixture
def listed(tmp_path: Path, settings, monkeypatch) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# 违禁词\n违禁\n\n  bad word  # not a remark\n!\nx\n", encoding="utf-8")
    settings.BLOCKED_WORDS_FILE = str(path)
    monkeypatch.setattr(safety_lists, "_file", safety_lists._File())
    monkeypatch.setattr(safety_lists, "LOOK_AGAIN_SECONDS", 0.0)
    return path


def operators(text: str) -> str:
    return safety_lists.of_operator().find(text)


def test_the_operators_words_stand_in_a_file(listed):
    assert operators("很违禁") == "违禁"
    assert operators("bad word: not a remark") == "bad word  # not a remark"
    assert operators("x! # bad") == ""


def test_a_changed_file_is_read_anew(listed):
    operators("很违禁")
    listed.write_text("另一个词\n", encoding="utf-8")
    assert (operators("很违禁"), operators("另一个词")) == ("", "另一个词")


def test_an_unchanged_file_is_not_read_again(listed, monkeypatch):
    before = safety_lists.of_operator()
    monkeypatch.setattr(safety_lists, "read_file", None)
    assert safety_lists.of_operator() is before


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"\xff\xfe\xff")])
def test_while_the_file_cannot_be_read_the_last_list_holds(listed, spoil):
    operators("很违禁")
    spoil(listed)
    assert operators("很违禁") == "违禁"


def test_without_a_file_there_is_no_list(settings):
    settings.BLOCKED_WORDS_FILE = ""
    assert safety_lists.of_operator() is None


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * (8 * 1024 * 1024 + 1)])
def test_a_file_that_cannot_be_read_is_told_at_the_start(tmp_path, settings, content):
    path = tmp_path / "words.txt"
    settings.BLOCKED_WORDS_FILE = str(path)
    if content:
        path.write_bytes(content)
    [error] = checks.blocked_words_are_readable()
    assert (error.id, "BLOCKED_WORDS_FILE" in error.msg) == ("bots.E006", True)


def test_a_good_file_is_nothing_to_tell(listed):
    assert checks.blocked_words_are_readable() == []


# A number's own list ----------------------------------------------------------------------------


def block(number, *words: str, moderated: bool = False) -> None:
    wanted = {"words": "\n".join(words), "moderated": moderated}
    safety_own.save(number, wanted, actor=None)


def guard_of(number) -> Guard:
    return safety.guards([Robot.objects.get(number=number)])[number.pk]


def planned(number, text: str = "Hello?", **fields) -> plans.Plan:
    [plan] = plans.make_all([factories.message(number, text, **fields)])
    return plan


@pytest.fixture(autouse=True)
def nothing_ready(monkeypatch):
    monkeypatch.setattr(safety_own, "_ready", safety_own._Ready())


@pytest.mark.django_db
def test_a_question_with_a_word_of_the_list_has_a_finding(number):
    block(number, "敏感词")
    found = planned(number, "什么是敏-感-词？").finding
    assert (found.place, found.source, found.words) == ("question", "number", "敏感词")


@pytest.mark.django_db
def test_another_numbers_list_is_none_of_ours(number, charlies_number):
    block(charlies_number, "敏感词")
    assert planned(number, "敏感词").finding is None


@pytest.mark.django_db
def test_the_operators_list_holds_for_every_number(number, listed):
    assert planned(number, "违禁").finding.source == Source.OPERATOR


@pytest.mark.django_db
def test_every_turn_that_a_caller_brings_is_looked_at(number):
    block(number, "敏感词")
    turns = [{"role": "user", "content": "敏感词"}, {"role": "user", "content": "Go on."}]
    assert planned(number, "Go on.", given=Given(turns, {})).finding.words == "敏感词"


@pytest.mark.django_db
def test_the_robots_own_prompt_may_name_the_words(number):
    Robot.objects.update(system_prompt="Never say 敏感词.")
    block(number, "敏感词")
    turns = [{"role": "user", "content": "Hello?"}]
    assert planned(number, given=Given(turns, {})).finding is None
    assert planned(number).finding is None


@pytest.mark.django_db
def test_a_changed_list_counts_from_the_next_plan_on(number):
    block(number, "敏感词")
    planned(number, "敏感词")
    block(number, "另一个")
    assert (planned(number, "敏感词").finding, planned(number, "另一个").finding.words) == (
        None,
        "另一个",
    )


@pytest.mark.django_db
def test_an_emptied_list_is_none(number):
    block(number, "敏感词")
    block(number, "# nothing left")
    assert Robot.objects.get(number=number).words_version == 0
    assert guard_of(number).lists == ()


@pytest.mark.django_db
def test_a_list_that_comes_back_is_not_mistaken_for_an_older_one(number):
    for words in (["敏感词"], [], ["另一个"]):
        block(number, *words)
        guard_of(number)
    assert guard_of(number).find(["另一个"]).words == "另一个"


@pytest.mark.django_db
@pytest.mark.parametrize(("words", "queries"), [([], 0), (["敏感词"], 0)])
def test_a_list_that_is_ready_takes_no_query(number, words, queries):
    block(number, *words)
    robot = Robot.objects.get(number=number)
    safety.guards([robot])
    with CaptureQueriesContext(connection) as captured:
        safety.guards([robot])
    assert len(captured) == queries


@pytest.mark.django_db
def test_without_lists_a_plan_is_one_query(number):
    message = factories.message(number)
    with CaptureQueriesContext(connection) as captured:
        plans.make_all([message])
    assert len(captured) == 1


@pytest.mark.django_db
def test_lists_that_are_new_take_one_query_together(number, charlies_number):
    block(number, "敏感词")
    block(charlies_number, "另一个")
    robots = list(Robot.objects.all())
    with CaptureQueriesContext(connection) as captured:
        safety.guards(robots)
    assert len(captured) == 1


@pytest.mark.django_db
def test_of_many_lists_the_newest_stay_ready(number, charlies_number, monkeypatch):
    monkeypatch.setattr(safety_own, "BEGINNINGS_IN_MEMORY", 3)
    for one in (number, charlies_number):
        block(one, "敏感词")
        guard_of(one)
    assert [place[0] for place in safety_own._ready._lists] == [charlies_number.pk]


@pytest.mark.django_db
def test_saving_the_same_again_leaves_no_trace(number):
    block(number, "敏感词")
    version = BlockedWords.objects.get().version
    block(number, "敏感词")
    assert BlockedWords.objects.get().version == version


@pytest.mark.django_db
def test_a_plan_says_whether_the_provider_moderates(number):
    block(number, moderated=True)
    assert planned(number).guard.moderates


def test_stamps_tell_a_file_from_its_successor(listed):
    safety_lists.of_operator()
    successor = listed.with_name("next")
    successor.write_text("另一个词\n", encoding="utf-8")
    os.replace(successor, listed)
    assert operators("另一个词") == "另一个词"
