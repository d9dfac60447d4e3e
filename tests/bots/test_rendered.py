"""Rendered answers are kept for a while, each process its own."""

import pytest
from django.utils.safestring import SafeString

from bots import markdown, rendered
from bots.rendered import Rendered
from tests.bots import talking
from tests.ddio_api.answers import settle


class Painter:
    """Renders, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, text: str) -> SafeString:
        self.asked.append(text)
        return SafeString(f"<{text}>")


@pytest.fixture
def painter() -> Painter:
    return Painter()


def test_the_same_text_is_rendered_once(painter):
    kept = Rendered(painter, length_at_most=100)
    assert [kept.html_of("one"), kept.html_of("one")] == ["<one>", "<one>"]
    assert painter.asked == ["one"]


def test_another_text_of_the_same_length_is_another(painter):
    kept = Rendered(painter, length_at_most=100)
    assert [kept.html_of("one"), kept.html_of("two")] == ["<one>", "<two>"]


def test_what_was_not_used_for_longest_goes_first(painter):
    kept = Rendered(painter, length_at_most=10)
    for text in ["one", "two", "one", "six", "one", "two"]:
        kept.html_of(text)
    assert painter.asked == ["one", "two", "six", "two"]
    assert kept.length == 10


def test_one_that_is_too_long_pushes_nothing_out(painter):
    kept = Rendered(painter, length_at_most=10)
    for text in ["one", "longer than all", "one"]:
        kept.html_of(text)
    assert painter.asked == ["one", "longer than all"]


def test_a_text_with_half_a_character_is_rendered(painter):
    assert Rendered(painter, length_at_most=10).html_of("\ud800") == "<\ud800>"


def test_a_page_that_is_looked_at_again_renders_nothing(client, charlie, number, monkeypatch):
    painter = Painter()
    monkeypatch.setattr(rendered, "answers", Rendered(painter, length_at_most=10_000))
    message = settle(talking.asked_by(charlie, number), "Hi.")
    client.force_login(charlie)
    pages = [client.get(talking.conversation_page(message)) for _ in range(2)]
    assert [b"<Hi.>" in page.content for page in pages] == [True, True]
    assert painter.asked == ["Hi."]


def test_what_is_kept_was_cleaned():
    assert rendered.answers.render is markdown.to_html


def test_a_page_whose_time_is_used_up_shows_the_rest_plain_and_keeps_nothing(painter):
    kept = Rendered(painter, length_at_most=100)
    assert "plain-text" in kept.html_of("one", rendered.Budget(seconds=-1))
    assert kept.html_of("one", rendered.Budget()) == "<one>"


def test_what_is_kept_costs_nothing_of_the_budget(painter):
    kept = Rendered(painter, length_at_most=100)
    kept.html_of("one")
    assert kept.html_of("one", rendered.Budget(seconds=-1)) == "<one>"
