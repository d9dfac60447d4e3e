"""An answer's Markdown: what it becomes, and what it can never become."""

import re
import time

import pytest
from pygments.lexers import get_lexer_by_name

from bots import markdown
from bots.markdown import to_html

pytestmark = pytest.mark.alike

HARMLESS = re.compile(
    r'\s(?:href="https://[^"]*"|title="[^"]*"|target="_blank"|rel="[a-z ]*"|'
    r'class="highlight"|tabindex="0")'
)


def test_it_marks_up_what_a_model_writes():
    html = to_html("# Title\n\nSome **bold**, *slanted* and ~~wrong~~ `code`.\n\n1. one\n2. two")
    assert "<h3>Title</h3>" in html
    assert "<strong>bold</strong>, <em>slanted</em> and <s>wrong</s> <code>code</code>" in html
    assert html.count("<li>") == 2


def test_headings_stay_below_those_of_the_page():
    html = to_html("# a\n\n###### b")
    assert html == "<h3>a</h3>\n<h6>b</h6>\n"


def test_a_line_break_stays_one():
    assert to_html("one\ntwo") == "<p>one<br>\ntwo</p>\n"


def test_a_table_can_be_scrolled_by_keyboard():
    html = to_html("|a|b|\n|-|-|\n|1|2|")
    assert html.startswith(
        '<div class="table-responsive" tabindex="0"><table class="table table-sm">'
    )
    assert "<td>2</td>" in html


def test_code_is_highlighted_by_classes_and_named():
    html = to_html("```python\nx = 1\n```")
    assert '<pre class="highlight" tabindex="0" data-language="python"><code>' in html
    assert '<span class="n">x</span>' in html
    assert "style" not in html


def test_code_of_an_unknown_language_is_shown_as_it_is():
    html = to_html("```klingon\n<x> & y\n```")
    assert 'data-language="klingon"' in html
    assert "&lt;x&gt; &amp; y" in html


@pytest.mark.parametrize("info", ['"><script>', "a b", "x" * 21, "é", "a\tb", "`"])
def test_a_fence_is_named_by_sound_names_alone(info):
    html = to_html(f"~~~{info}\nx\n~~~")
    assert set(re.findall(r'data-language="([^"]*)"', html)) <= {"a"}
    assert "<script" not in html


def test_an_unclosed_fence_is_code_to_the_end():
    assert to_html("```\nx <b>").endswith("<code>x &lt;b&gt;</code></pre>\n")


def test_links_open_apart_and_tell_nobody_where_from():
    html = to_html("[a](https://example.org/x 'T')")
    assert '<a href="https://example.org/x" title="T" target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_an_image_becomes_its_words_and_a_link():
    html = to_html("![A cat](https://example.org/cat.png)")
    assert "<img" not in html
    assert html.startswith('<p>A cat (<a href="https://example.org/cat.png"')


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](&#106;avascript:alert(1))",
        "[a](vbscript:x)",
        "[a](data:text/html,<script>alert(1)</script>)",
        "![a](javascript:alert(1))",
        "![a](data:image/svg+xml;base64,AAAA)",
        "<javascript:alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        '[a](https://x.org/"onmouseover=alert(1))',
        '![" onerror=alert(1) x="](https://x.org)',
        '```"onclick=alert(1)\nx\n```',
        "<a href=x hx-get=/ data-bs-toggle=x style=x id=composer class=show>x</a>",
        "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<base href=//x><meta http-equiv=refresh content=0><iframe srcdoc=x></iframe>",
    ],
)
def test_nothing_that_runs_or_loads_comes_out(source):
    html = to_html(source)
    tags = re.findall(r"<(/?[a-z0-9]+)((?:\s[^<>]*)?)>", html)
    assert {name.lstrip("/") for name, _ in tags} <= {"p", "a", "pre", "code", "h3"}
    assert [rest for _, rest in tags if HARMLESS.sub("", rest)] == []


def test_formulas_stay_as_they_were_typed():
    assert "$x_1^2 + y_1$" in to_html("$x_1^2 + y_1$")


def test_what_is_too_long_to_parse_is_shown_plain():
    html = to_html("**x** <b>\n" * 20_000)
    assert html.startswith('<div class="plain-text">**x** &lt;b&gt;\n')
    assert html.count("**x**") == 20_000


WORST = {
    "brackets": "[" * 50_000,
    "images": "![" * 25_000,
    "links": "[a](" * 12_500,
    "nested": "[a" * 25_000,
    "angles": "<" * 50_000,
    "comments": "<!--" * 12_500,
    "quotes": "\n".join(">" * depth for depth in range(1, 310)),
    "stars": "*a **b " * 7_000,
    "columns": "|a" * 5_000 + "|\n" + "|-" * 5_000 + "|\n" + "|b" * 5_000 + "|",
    "rows": "|a|b|\n|-|-|\n" + "|c|d|\n" * 8_000,
    "items": "- a\n" * 12_500,
    "code": "```python\n" + "x\n" * 100_000,
    "blank code": ("```c\n" + "\n" * 9_900 + "```\n") * 5,
    "square code": ("```csharp\n" + "a\n" * 4_900 + "```\n") * 5,
}


@pytest.mark.parametrize("name", WORST)
def test_the_worst_is_shown_within_two_seconds(name):
    began = time.thread_time()
    assert to_html(WORST[name][:200_000])
    assert time.thread_time() - began < 2


def test_every_language_that_is_highlighted_has_its_lexer():
    assert [name for name in markdown.LANGUAGES if not get_lexer_by_name(name)] == []
