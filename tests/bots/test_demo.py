"""The demo number: its own texts are there in each language, an administrator's as they are."""

import pytest
from django.utils import translation
from django.utils.html import escape

from bots import demo
from bots.models import Robot
from portal.models import ServiceNumber

pytestmark = pytest.mark.django_db

TEXTS = [demo.NAME, demo.INTRODUCTION, demo.GREETING]


@pytest.fixture
def number() -> ServiceNumber:
    return demo.ensure_demo_number()


@pytest.fixture
def in_chinese(monkeypatch) -> None:
    """As if every text had its translation."""
    monkeypatch.setattr(demo, "gettext", lambda text: f"译：{text}")


def page(client) -> str:
    return client.get("/chat/demo/").content.decode()


def test_its_texts_are_kept_in_english_whoever_makes_it():
    with translation.override("zh-hans"):
        number = demo.ensure_demo_number()
    robot = Robot.objects.get()
    assert [number.name, number.introduction, robot.greeting] == TEXTS


def test_a_visitor_reads_them_in_his_language(client, number, in_chinese):
    shown = page(client)
    assert [f"译：{escape(text)}" in shown for text in TEXTS] == [True, True, True]


def test_what_an_administrator_wrote_is_shown_as_it_is(client, number, in_chinese):
    ServiceNumber.objects.update(name="Our robot", introduction="Ours.")
    Robot.objects.update(greeting="Welcome.")
    shown = page(client)
    assert [text in shown for text in ("Our robot", "Ours.", "Welcome.")] == [True, True, True]
    assert "译" not in shown


def test_a_number_that_says_the_same_is_not_translated(client, number, in_chinese):
    ServiceNumber.objects.update(handle="another")
    assert "译" not in client.get("/chat/another/").content.decode()


def test_it_suggests_questions_that_its_model_understands(client, number, in_chinese):
    shown = page(client)
    assert [f'value="{question}"' in shown for question in demo.QUESTIONS] == [True, True]
