"""The safety filter's search: what is one word however it is written, and what is harmless."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.safety_words import APART_AT_MOST, WordFound, Words, pattern, search

pytestmark = pytest.mark.alike

LISTED = ["敏感词", "三P", "AV女优", "6月4日", "8964", "Ass", "damn", "free money", "straße", "か"]
LISTED += ["ไม่ดี", "나쁜말"]
WORDS = Words(LISTED)

EVASIONS = [
    ("敏感词", "敏感词"),
    ("这是敏感词吗", "敏感词"),
    ("敏 感 词", "敏感词"),
    ("敏 感-词", "敏感词"),
    ("敏*感*词", "敏感词"),
    ("敏_感.词", "敏感词"),
    ("敏，感。词", "敏感词"),
    ("敏\n感\n词", "敏感词"),
    ("敏🙂感🙂词", "敏感词"),
    ("敏\u3000感\u3000词", "敏感词"),
    ("敏\u200b感\u200d词", "敏感词"),
    ("敏\ufe0f感\U000e0101词", "敏感词"),
    ("敏\u202e感\u2066词", "敏感词"),
    ("敏\u0336感\u0336词", "敏感词"),
    ("敏\u20dd感\u00ad词", "敏感词"),
    ("敏" + "\u200b" * 50 + "感词", "敏感词"),
    ("敏" + "*" * APART_AT_MOST + "感词", "敏感词"),
    ("我要三p", "三P"),
    ("三 Ｐ", "三P"),
    ("看av女优", "AV女优"),
    ("看A.V.女优", "AV女优"),
    ("在６月４日", "6月4日"),
    ("在٦月٤日", "6月4日"),
    ("8964年", "8964"),
    ("8-9-6-4", "8964"),
    ("⑧⑨⑥④", "8964"),
    ("ass", "Ass"),
    ("ASS!", "Ass"),
    ("你这个ass的", "Ass"),
    ("ａｓｓ", "Ass"),
    ("𝕒𝖘𝓼", "Ass"),
    ("ⓐⓢⓢ", "Ass"),
    ("🅰🆂🆂", "Ass"),
    ("a\u0301s\u0327s\u0336", "Ass"),
    ("àśš", "Ass"),
    ("a\u200bs\u2060s", "Ass"),
    ("a.s.s", "Ass"),
    ("a s s", "Ass"),
    ("d_a_m_n it", "damn"),
    ("D-A-M-N", "damn"),
    ("Free   money", "free money"),
    ("free-money", "free money"),
    ("FREE.\nMONEY", "free money"),
    ("STRASSE", "straße"),
    ("これはかな", "か"),
    ("เขาไม่ดีเลย", "ไม่ดี"),
    ("나쁜말을", "나쁜말"),
]
HARMLESS = [
    "",
    "敏感的词",
    "敏感",
    "感词",
    "敏a感a词",
    "敏" + "*" * (APART_AT_MOST + 1) + "感词",
    "class",
    "assess",
    "bass",
    "as s",
    "a ss",
    "a-s-sess",
    "ass1",
    "das s",
    "dam n",
    "freemoney",
    "free the money",
    "三Player",
    "AVI女优",
    "16月4日",
    "18964",
    "89.64",
    "が",
    "나쁜말을"[:2],
    "1989",
    "$",
]


@pytest.mark.parametrize(("text", "word"), EVASIONS)
def test_a_word_is_found_however_it_is_written(text, word):
    assert WORDS.find(text) == word


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_resembles_a_word_is_none(text):
    assert WORDS.find(text) == ""


@pytest.mark.parametrize("word", LISTED)
def test_each_word_finds_itself(word):
    assert Words([word]).find(word) == word


def test_the_word_is_told_as_it_was_written():
    assert Words(["ＡＢＣ"]).find("abc") == "ＡＢＣ"


def test_of_two_words_the_one_that_ends_first_is_told():
    assert Words(["damned fool", "fool", "damned"]).find("you damned fool") == "damned"


def test_a_word_inside_of_another_is_found():
    words = Words(["乙丙", "甲乙丙丁", "丙丁戊"])
    assert words.find("甲乙丙丁") == "乙丙"
    assert words.find("丙丁戊") == "丙丁戊"


def test_one_spelling_is_one_word():
    assert Words(["Ass", "ASS", "敏感词", "敏-感-词", "!"]).count == 2


@pytest.mark.parametrize("text", ["", "!", "\u200b", "…—*"])
def test_what_holds_neither_letter_nor_digit_is_no_word(text):
    assert pattern(text) == ""


def test_an_empty_list_finds_nothing():
    assert Words([]).find("anything 任何") == ""


# A stream ---------------------------------------------------------------------------------------


def streamed(words: Words, pieces: list[str]) -> tuple[str, str]:
    """What of it was shown, and the word that ended it."""
    shown: list[str] = []
    searching = search(words, shown.append)
    next(searching)
    try:
        for piece in [*filter(None, pieces), ""]:
            searching.send(piece)
    except WordFound as found:
        return "".join(shown), found.word
    return "".join(shown), ""


def parted(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


@pytest.mark.parametrize(
    ("pieces", "held"),
    [
        (["一个", "敏"], "敏"),
        (["一个", "敏", "*感"], "敏*感"),
        (["一个", "敏", "*感", "觉"], ""),
        (["一个", "敏", "\u200b敏"], "敏"),
        (["it is a", "s"], "as"),
        (["it is a", "sk"], ""),
        (["free "], "free "),
        (["free ", "the "], ""),
        (["敏", "*****"], ""),
    ],
)
def test_only_what_may_begin_a_word_is_held_back(pieces, held):
    shown: list[str] = []
    searching = search(WORDS, shown.append)
    next(searching)
    for piece in pieces:
        searching.send(piece)
    assert "".join([*shown, held]) == "".join(pieces)


SIGNS = "敏感词觉asbn *.-\u200b\u0301"
FEW = Words(["敏感词", "感觉", "ass", "ban", "as ban"])


@given(st.text(SIGNS, max_size=40), st.lists(st.integers(0, 40), max_size=20))
@settings(max_examples=500, deadline=None)
def test_a_text_in_pieces_ends_as_the_whole_does(text, cuts):
    shown, word = streamed(FEW, parted(text, cuts))
    most, _word = streamed(FEW, list(text))
    assert word == FEW.find(text)
    assert most.startswith(shown)
    assert (shown == text) != bool(word)


APART = rf"[ *.-]{{0,{APART_AT_MOST}}}"
SPELLED = rf"[ *.-]{{1,{APART_AT_MOST}}}"
BY_HAND = [
    f"敏{APART}感{APART}词",
    f"感{APART}觉",
    "(?<![asbn])ass(?![asbn])",
    f"(?<![asbn])a{SPELLED}s{SPELLED}s(?![asbn])",
    "(?<![asbn])ban(?![asbn])",
    f"(?<![asbn])b{SPELLED}a{SPELLED}n(?![asbn])",
]
FOUR = Words(["敏感词", "感觉", "ass", "ban"])


@given(st.text("敏感词觉asbn *.-", max_size=60))
@settings(max_examples=1000, deadline=None)
def test_it_finds_what_slow_expressions_find_and_shows_nothing_of_it(text):
    matches = [match for each in BY_HAND for match in re.finditer(each, text)]
    shown, word = streamed(FOUR, list(text))
    assert bool(word) == bool(matches)
    first_end = min((match.end() for match in matches), default=len(text))
    begins = [match.start() for match in matches if match.end() == first_end]
    assert len(shown) <= min(begins, default=len(text))
