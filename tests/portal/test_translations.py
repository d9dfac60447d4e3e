"""Whatever a person may read exists in simplified Chinese, and nothing stands untranslated."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import polib
import pytest
from django.template.base import Lexer, TokenType
from django.test import Client
from django.utils import translation

from portal.environment import BASE_DIR

CATALOGUE = BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
APPS = ("portal", "bots", "ddio_api")
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[a-zA-Z%]|\{\w*\}")
TOUCHING = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9`]|[A-Za-z0-9`][\u4e00-\u9fff]")
TEMPLATES = sorted((BASE_DIR / "templates").rglob("*.html"))
READ_ALOUD = {"alt", "aria-label", "placeholder", "title"}
ALL_THAT_NEEDS_NO_WORDS = re.compile(r"[\W\d_]*")


@pytest.fixture(scope="module")
def catalogue() -> polib.POFile:
    return polib.pofile(str(CATALOGUE))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> polib.POFile:
    """What makemessages finds in the source today, in a copy that nobody works in."""
    copy = tmp_path_factory.mktemp("source")
    for name in (*APPS, "templates"):
        shutil.copytree(BASE_DIR / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "locale").mkdir()
    command = [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans", "--no-location"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True, timeout=60)
    return polib.pofile(str(copy / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"))


def identities(entries) -> set[tuple[str | None, str]]:
    return {(entry.msgctxt, entry.msgid) for entry in entries}


# The catalogue ----------------------------------------------------------------------------------


def test_every_sentence_of_the_source_is_in_the_catalogue(catalogue, extracted):
    assert identities(extracted) - identities(catalogue) == set()


def test_the_catalogue_holds_nothing_that_the_source_has_not(catalogue, extracted):
    assert identities(catalogue) - identities(extracted) == set()


def test_no_entry_is_empty_fuzzy_or_obsolete(catalogue):
    assert len(catalogue) > 100
    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    assert catalogue.fuzzy_entries() == []
    assert catalogue.obsolete_entries() == []


def test_the_compiled_catalogue_says_the_same(catalogue):
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    assert {(e.msgctxt, e.msgid, e.msgstr) for e in compiled} == {
        (e.msgctxt, e.msgid, e.msgstr) for e in catalogue
    }


def placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def test_placeholders_are_the_same(catalogue):
    texts = [(each.msgid, text) for each in catalogue for text in said(each)]
    assert [one for one, other in texts if placeholders(one) != placeholders(other)] == []


def said(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) or [entry.msgstr]


def test_han_and_latin_stand_apart(catalogue):
    # A span of time ends in Han when it is put in: "3 分钟".
    texts = [text.replace("%(span)s", "分钟") for entry in catalogue for text in said(entry)]
    assert [text for text in texts if TOUCHING.search(text)] == []


def test_the_words_that_we_never_use_are_not_in_it(catalogue):
    never = re.compile("公众号|密钥|点踩|您|！|!|webhook|令牌", re.IGNORECASE)
    other_names = re.compile("吊销|服务方|介绍|短名称|评论|做出决定|^人员$")  # of what has one
    assert [entry.msgstr for entry in catalogue if never.search(entry.msgstr)] == []
    assert [entry.msgstr for entry in catalogue if other_names.search(entry.msgstr)] == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("service number", "服务号"),
        ("moderator", "审核员"),
        ("API key", "API Key"),
        ("robot", "机器人"),
        ("draft", "草稿"),
        ("in review", "审核中"),
        ("approved", "已通过"),
        ("rejected", "已驳回"),
        ("suspended", "已暂停"),
        ("closed", "已关闭"),
        ("reason", "原因"),
    ],
)
def test_it_uses_our_words(catalogue, english, chinese):
    assert catalogue.find(english).msgstr == chinese


# The templates ----------------------------------------------------------------------------------


class Words(HTMLParser):
    """Collects what a reader would see of a template whose tags are blanked out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self._see(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in READ_ALOUD:
                self._see(value or "")

    def _see(self, text: str) -> None:
        if not ALL_THAT_NEEDS_NO_WORDS.fullmatch(text):
            self.found.append(text.strip())


def untranslated(source: str) -> list[str]:
    """The words that stand in a template outside its translation tags."""
    kept, inside = [], False
    for token in Lexer(source).tokenize():
        name = token.contents.split()[0] if token.contents.split() else ""
        if token.token_type == TokenType.BLOCK and name in ("blocktranslate", "blocktrans"):
            inside = True
        elif token.token_type == TokenType.BLOCK and name.startswith("endblocktrans"):
            inside = False
        elif token.token_type == TokenType.TEXT and not inside:
            kept.append(token.contents)
    words = Words()
    words.feed("".join(kept))
    return words.found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_word_of_a_template_stands_outside_its_translation_tags(path: Path):
    assert untranslated(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<p>Hello</p>", ["Hello"]),
        ("<p>你好</p>", ["你好"]),
        ('<img alt="A cat">', ["A cat"]),
        ("<p>{% translate 'Hello' %} · 1</p>", []),
        ("{% blocktranslate %}Hello{% endblocktranslate %}, you", [", you"]),
        ("{# a note #}{% comment %}{% endcomment %}{{ name }}", []),
    ],
)
def test_the_search_for_words_finds_them(source, words):
    assert untranslated(source) == words


# In use -----------------------------------------------------------------------------------------


def test_the_code_of_the_settings_loads_the_catalogue():
    with translation.override("zh-hans"):
        assert translation.gettext("Only a moderator may decide this.").startswith("只有审核员")


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["zh-CN", "zh-Hans", "zh-Hans-CN", "zh", "zh-SG,en;q=0.5"])
def test_a_browser_that_prefers_chinese_gets_it(client: Client, language):
    page = client.get("/", headers={"Accept-Language": language})
    assert page.headers["Content-Language"] == "zh-hans"
    assert "公共服务号平台" in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "fr", "en-GB,zh;q=0.1", ""])
def test_everybody_else_gets_english(client: Client, language):
    page = client.get("/", headers={"Accept-Language": language})
    assert page.headers["Content-Language"] == "en"
    assert "Public service platform" in page.content.decode()
