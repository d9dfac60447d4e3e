"""Names of numbers: one spelling, no invisible characters, no look-alikes."""

import pytest
from django.core.exceptions import ValidationError

from portal import names, numbers
from tests import factories


@pytest.mark.parametrize(
    "name", ["GPT机器人", "Café 2", "ロボット GPT", "로봇 A", "робот", "Ψηφίο", "客服 24/7"]
)
def test_sound_names_pass(name):
    assert names.validate(names.normalise(name)) is None


@pytest.mark.parametrize(
    "name", ["", "GРT", "pаypal", "a\u202eb", "a\u200bb", "a\x00b", "a\ud800", "Gοogle"]
)
def test_invisible_and_look_alike_names_are_refused(name):
    with pytest.raises(ValidationError):
        names.validate(name)


@pytest.mark.parametrize(
    "nothing",
    [*"\ufe0f\u3164\u115f\u034f\u2800\u17b4\uffa0\u180b", "\U000e0100", "\u0332", "\u20dd"],
)
def test_a_name_with_something_that_nobody_sees_is_refused(nothing):
    with pytest.raises(ValidationError):
        names.validate(names.normalise(f"Bank{nothing}"))


@pytest.mark.parametrize("name", ["हिन्दी", "ไทย", "Ångström"])
def test_marks_that_belong_to_a_letter_pass(name):
    assert names.validate(names.normalise(name)) is None


def test_full_width_letters_and_spaces_are_one_spelling():
    assert names.normalise("  ＧＰＴ   robot ") == "GPT robot"
    assert names.comparison_key("ＧＰＴ Robot") == names.comparison_key("gpt robot")


@pytest.mark.django_db
def test_a_name_that_differs_in_case_alone_is_taken():
    numbers.create(factories.user(), "Helper", actor=None)
    with pytest.raises(ValidationError):
        numbers.create(factories.user(), "HELPER", actor=None)


@pytest.mark.django_db
def test_a_chinese_name_gets_a_handle_of_its_own():
    first = numbers.create(factories.user(), "机器人", actor=None)
    second = numbers.create(factories.user(), "机器人二号", actor=None)
    assert first.handle != second.handle
    assert first.handle.isascii()


@pytest.mark.django_db
def test_a_taken_handle_gets_a_suffix():
    first = numbers.create(factories.user(), "My robot", actor=None)
    second = numbers.create(factories.user(), "My-robot", actor=None)
    assert first.handle == "my-robot"
    assert second.handle.startswith("my-robot-")
