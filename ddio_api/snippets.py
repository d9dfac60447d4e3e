"""The copy-ready calls: which there are, and how one is shown.

Each is a whole program in `examples/`, and the tests run what the page shows of it. In the files
stand the address of `make up` and the appId's place in the environment; the page puts the site's
own address there and, for the owner of a number, its appId. A secret never comes into the text.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pygments
from django.conf import settings
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name

DIRECTORY = Path(__file__).parent / "examples"
ADDRESS_IN_FILES = "http://localhost:8000"
_FORMATTER = HtmlFormatter(nowrap=True)


@dataclass(frozen=True)
class Language:
    """`app_id` is how a program in it names the environment's APP_ID.

    `needs` installs what the programs import, `keeps_token` keeps what the first one prints.
    """

    name: str
    suffix: str
    lexer: str
    app_id: str
    quote: str
    needs: str
    keeps_token: str


LANGUAGES = {
    "curl": Language("curl", "sh", "sh", "$APP_ID", "", "", ""),
    "python": Language(
        "Python",
        "py",
        "python",
        'os.environ["APP_ID"]',
        '"',
        "pip install requests openai authlib",
        "export ACCESS_TOKEN=$(python take_token.py)",
    ),
    "node": Language(
        "Node",
        "mjs",
        "js",
        "process.env.APP_ID",
        '"',
        "npm install openai",
        "export ACCESS_TOKEN=$(node take_token.mjs)",
    ),
}


@dataclass(frozen=True)
class Subject:
    """One thing that a system wants: its programs by the library that they use."""

    slug: str
    title: str | Promise
    explanation: str | Promise
    programs: dict[str, str]


SUBJECTS = [
    Subject(
        "token",
        _("Take an accessToken"),
        _(
            "It is good for every call, for as many seconds as expiresIn says. Another one never"
            " kills an earlier one: each process may take its own. The other programs find it in"
            " ACCESS_TOKEN."
        ),
        {"": "take_token", "Authlib": "authlib_session"},
    ),
    Subject(
        "ask",
        _("Ask, and wait for the answer"),
        _(
            "openID is your own lasting name for the person who asks. When the wait runs out the"
            " answer is still written: look at its item later, or find it in the feed."
        ),
        {"": "ask"},
    ),
    Subject(
        "stream",
        _("Show the answer while it is written"),
        _(
            "Server-Sent Events. Each has an id: who comes back with the last one gets what follows"
            " it, without a gap and nothing twice."
        ),
        {"": "stream"},
    ),
    Subject(
        "feed",
        _("Follow the feedback results"),
        _(
            "Every settled answer of every channel, once and in order. An empty page is held open"
            " until something settles. Keep next_cursor: it is the place where you go on."
        ),
        {"": "feed"},
    ),
    Subject(
        "openai",
        _("Use what was written for OpenAI"),
        _(
            "The official SDKs work with only the base URL and the API key changed; the key is the"
            " accessToken. The answers are in the feed like all others."
        ),
        {"openai": "openai_door"},
    ),
    Subject(
        "openai-stream",
        _("The same, streamed"),
        _("Word by word, as your program expects it from OpenAI."),
        {"openai": "openai_stream"},
    ),
    Subject(
        "rate",
        _("Rate an answer"),
        _(
            "With like, dislike or null, and a comment if you have one. MESSAGE_ID is the messageID"
            " of a settled answer. The rating is an entry of the feed."
        ),
        {"": "rate"},
    ),
    Subject(
        "revoke",
        _("Revoke an accessToken"),
        _("From the next request on it works no more; the others of the same appSecret do."),
        {"": "revoke", "Authlib": "authlib_revoke"},
    ),
]


@dataclass(frozen=True)
class Snippet:
    """A program as the page shows it."""

    name: str  # of its file
    library: str
    html: SafeString


def of(subject: Subject, language: Language, app_id: str = "") -> list[Snippet]:
    """What there is on the subject in that language; with the appId where one is given."""
    shown = []
    for library, stem in subject.programs.items():
        name = f"{stem}.{language.suffix}"
        if (DIRECTORY / name).exists():
            text = program(name, language, app_id)
            shown.append(Snippet(name, _library(language, library), _highlighted(text, language)))
    return shown


def _library(language: Language, library: str) -> str:
    """The one that the program imports; `curl` and `fetch` come with what runs it."""
    usual = {"curl": "curl", "Python": "requests", "Node": "fetch"}[language.name]
    return usual if language.name == "curl" else library or usual


def program(name: str, language: Language, app_id: str = "") -> str:
    text = _text(name).replace(ADDRESS_IN_FILES, settings.SITE_URL)
    if app_id:
        text = text.replace(language.app_id, f"{language.quote}{app_id}{language.quote}")
    return text


@lru_cache(maxsize=64)
def _text(name: str) -> str:
    return (DIRECTORY / name).read_text(encoding="utf-8")


@lru_cache(maxsize=256)
def _highlighted(text: str, language: Language) -> SafeString:
    html = pygments.highlight(text, get_lexer_by_name(language.lexer), _FORMATTER)
    return mark_safe(html)  # noqa: S308  # nosec B308 B703  (Pygments has escaped it)
