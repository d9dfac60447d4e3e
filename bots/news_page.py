"""What a person sees of a number's news: the page of them, and the newest of them in the chat."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.safestring import SafeString
from django.utils.text import Truncator

from bots import chat_page, markdown, news, rendered
from bots.access import Door
from bots.models import News

EXCERPT_CHARACTERS = 240


@dataclass(frozen=True)
class Shown:
    """One message; `is_new` until its reader has seen it."""

    news: News
    is_new: bool
    budget: rendered.Budget | None = None

    @cached_property
    def html(self) -> SafeString:
        return rendered.answers.html_of(self.news.text, self.budget)

    @property
    def excerpt(self) -> str:
        """Its first words, without the marks of Markdown."""
        return Truncator(markdown.words_of(self.html)).chars(EXCERPT_CHARACTERS)


def card(unread: news.Unread) -> Shown | None:
    """The newest of what the person has not seen."""
    return Shown(unread.newest, is_new=True) if unread.newest else None


def context(door: Door, before: int | None = None) -> dict[str, Any]:
    """Everything that the page's template needs.

    `begin_at` is the message to begin reading at, `seen` the `seq` up to which all is seen now.
    """
    page = door.inbox.page(before) if door.inbox else news.Page([], None)
    seen = door.person.news_seen if door.person else 0
    budget = rendered.Budget()
    shown = [Shown(each, each.seq > seen, budget) for each in page.news]
    is_newest = before is None and bool(shown)
    unseen = [each for each in shown if each.is_new]
    return chat_page.frame(door) | {
        "shown": shown,
        "earlier": page.earlier,
        "is_past": before is not None,
        "is_news": True,
        "begin_at": (unseen or shown[-1:])[0].news.pk if is_newest else None,
        "seen": shown[-1].news.seq if is_newest and unseen else None,
    }
