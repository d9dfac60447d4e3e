"""Reading conversations: which there are, and what was said in one."""

import re
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import conversations
from bots.models import Conversation
from ddio_api import items
from ddio_api.base import DdioView
from ddio_api.chat_serializers import ConversationsQuerySerializer, MessagesQuerySerializer
from ddio_api.docs import conversations as docs
from ddio_api.errors import DdioError
from ddio_api.views.people import person_of

_ID = re.compile("[A-Za-z0-9_-]{1,40}")


class ConversationsView(DdioView):
    """The number's conversations, or one person's; those that began last come first."""

    @extend_schema(**docs.CONVERSATIONS)
    def get(self, request: Request) -> Response:
        asked = self.checked_query(ConversationsQuerySerializer)
        person = person_of(self, asked["openID"]) if "openID" in asked else None
        page = conversations.begun(self.number, person, asked["cursor"], asked["limit"])
        last = page.rows[-1].pk if page.rows else asked["cursor"]
        return self.reply(_page(page, [items.conversation_item(row) for row in page.rows], last))


class MessagesView(DdioView):
    """What was said in one conversation, in order; what waits for its answer is there, too."""

    @extend_schema(**docs.MESSAGES)
    def get(self, request: Request, conversation_id: str) -> Response:
        asked = self.checked_query(MessagesQuerySerializer)
        conversation = self._conversation(conversation_id)
        page = conversations.said(conversation, asked["cursor"], asked["limit"])
        last = page.rows[-1].position if page.rows else asked["cursor"]
        return self.reply(_page(page, [items.answer_item(row) for row in page.rows], str(last)))

    def _conversation(self, conversation_id: str) -> Conversation:
        """The number's own; another number's, an erased one and none at all are refused alike."""
        kept = Conversation.objects.kept().filter(number=self.number, pk=conversation_id)
        own = kept.first() if _ID.fullmatch(conversation_id) else None
        if own is None:
            raise DdioError(40404)
        return own


def _page(page: conversations.Page[Any], shown: list[dict[str, Any]], last: str) -> dict[str, Any]:
    return {"items": shown, "next_cursor": last, "has_more": page.has_more}
