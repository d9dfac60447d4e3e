"""Reading a number's conversations and what was said in one, page by page.

A cursor is the last row's own key, so a page costs what it shows however deep it lies: no OFFSET,
no COUNT. Ids are ULIDs: in their order the conversations have begun.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import QuerySet

from bots.models import Conversation, Message, Person
from portal.models import ServiceNumber

PAGE_AT_MOST = 200
Row = TypeVar("Row", Conversation, Message)


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: list[Row]
    has_more: bool


def begun(
    number: ServiceNumber, person: Person | None, before: str = "", limit: int = 20
) -> Page[Conversation]:
    """The number's conversations, or one person's, those that began last first.

    `before` is the id of the last one that was read; "" is the start.
    """
    kept = Conversation.objects.kept().filter(number=number)
    if person:
        kept = person.conversations.kept()
    if before:
        kept = kept.filter(pk__lt=before)
    return _page(kept.select_related("person").order_by("-pk"), limit)


def said(conversation: Conversation, after: int = 0, limit: int = 20) -> Page[Message]:
    """The messages behind a position in the conversation, in order, unanswered ones included."""
    messages = conversation.messages.filter(position__gt=after)
    return _page(messages.select_related("person").order_by("position"), limit)


def _page(rows: QuerySet[Row], limit: int) -> Page[Row]:
    """One row more than is shown says that there are more."""
    found = list(rows[: limit + 1])
    return Page(found[:limit], len(found) > limit)
