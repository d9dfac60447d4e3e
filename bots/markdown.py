"""An answer's Markdown as HTML that can do nothing but be read.

Three walls: markdown-it takes no HTML, only listed constructs come out, and nh3 lets only listed
tags, attributes and classes through. Images become links (security.md, line 31: remote ones leak).
What is longer than LENGTH_AT_MOST is shown as plain text: the worst input of that length takes
less than a second, and the time grows faster than the length.
"""

import html
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import nh3
import pygments
from django.utils.html import escape, format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

LENGTH_AT_MOST = 50_000
HIGHLIGHTED_AT_MOST = 10_000
HIGHLIGHTING_SECONDS = 0.3  # of the thread's own time, for all the code of an answer
LANGUAGES = {
    *("bash", "c", "console", "cpp", "csharp", "css", "diff", "docker", "dockerfile"),
    *("go", "graphql", "html", "http", "ini", "java", "javascript", "js", "json", "jsx"),
    *("kotlin", "lua", "make", "markdown", "md", "nginx", "perl", "php", "powershell"),
    *("py", "pycon", "python", "r", "rb", "rs", "ruby", "rust", "scala", "sh", "shell"),
    *("sql", "swift", "toml", "ts", "typescript", "xml", "yaml", "yml"),
}
LINKS_TO = {"http", "https", "mailto"}
_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,20}")
_LINKABLE = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "s", "a", "blockquote"),
    *("ul", "ol", "li", "pre", "code", "span"),
    *("div", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "pre": {"data-language", "tabindex"},
    "div": {"tabindex"},
}
_CLASSES = {
    "span": {short for short in STANDARD_TYPES.values() if short},
    "pre": {"highlight"},
    "div": {"table-responsive"},
    "table": {"table", "table-sm"},
}
_FORMATTER = HtmlFormatter(nowrap=True)


def plain(text: str) -> SafeString:
    return format_html('<div class="plain-text">{}</div>', text)


def to_html(text: str) -> SafeString:
    """The text as safe HTML; plain, with its line breaks, where it is too long to be parsed."""
    if len(text) > LENGTH_AT_MOST:
        return plain(text)
    env = {"highlight_until": time.thread_time() + HIGHLIGHTING_SECONDS}
    cleaned = nh3.clean(
        _parser.render(text, env),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes=LINKS_TO,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return mark_safe(cleaned)  # noqa: S308  # nosec B308 B703  (nh3 has just cleaned it)


def words_of(rendered: SafeString) -> str:
    """The words of rendered text in one line, as text: not safe to be shown unescaped."""
    return " ".join(html.unescape(strip_tags(rendered)).split())


class _Renderer(RendererHTML):
    def image(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """What the picture shows in words, and where it is; it is never loaded."""
        token = tokens[index]
        words = escape(self.renderInlineAsText(token.children or [], options, env))
        address = str(token.attrs.get("src", ""))
        if not _LINKABLE.match(address):
            return words
        return f'{words} (<a href="{escape(address)}">{escape(address)}</a>)'.lstrip()

    def fence(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        name = token.info.strip().split(" ")[0]
        label = f' data-language="{name}"' if _LANGUAGE.fullmatch(name) else ""
        code = _highlighted(token.content, name, env["highlight_until"])
        return f'<pre class="highlight" tabindex="0"{label}><code>{code}</code></pre>\n'

    def code_block(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        code = escape(tokens[index].content)
        return f'<pre class="highlight" tabindex="0"><code>{code}</code></pre>\n'

    def heading_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        """Below the page's own headings."""
        return f"<{_heading(tokens[index])}>"

    def heading_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return f"</{_heading(tokens[index])}>\n"

    def table_open(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return '<div class="table-responsive" tabindex="0"><table class="table table-sm">\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
        return "</table></div>\n"


def _heading(token: Token) -> str:
    return f"h{min(int(token.tag[1]) + 2, 6)}"


def _highlighted(code: str, language: str, until: float) -> str:
    """The code with its words marked; plain where the language is none of ours or time is up."""
    if language.lower() not in LANGUAGES or len(code) > HIGHLIGHTED_AT_MOST:
        return escape(code)
    lexer = get_lexer_by_name(language.lower(), stripnl=False)
    try:
        return str(pygments.format(_in_time(lexer.get_tokens(code), until), _FORMATTER))
    except TimeoutError:
        return escape(code)


def _in_time(tokens: Iterable[Any], until: float) -> Iterator[Any]:
    """Some lexers take a square of the length: each token asks whether there is time left."""
    for token in tokens:
        if time.thread_time() > until:
            raise TimeoutError
        yield token


_parser = MarkdownIt(
    "commonmark", {"html": False, "breaks": True, "linkify": False}, renderer_cls=_Renderer
).enable(["table", "strikethrough"])
