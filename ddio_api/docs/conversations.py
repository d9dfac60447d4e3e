"""Reading conversations."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from ddio_api.chat_serializers import ConversationsQuerySerializer, MessagesQuerySerializer
from ddio_api.docs.common import COMMON, CONVERSATION_ID, enveloped, errors, ok
from ddio_api.docs.feedback import EXAMPLE_ITEM, AnswerItemSerializer


class ConversationItemSerializer(serializers.Serializer[Any]):
    """A conversation; its title is the beginning of its first question."""

    conversationID = serializers.CharField()
    openID = serializers.CharField()
    title = serializers.CharField(allow_blank=True)
    startedAt = serializers.DateTimeField()
    lastAt = serializers.DateTimeField()


def _page_of(name: str, item: serializers.Serializer[Any]) -> Any:
    page = inline_serializer(
        f"{name}Page",
        {
            "items": item,
            "next_cursor": serializers.CharField(allow_blank=True),
            "has_more": serializers.BooleanField(),
        },
    )
    return enveloped(f"{name}PageEnvelope", page)


_EXAMPLE = {
    "conversationID": CONVERSATION_ID,
    "openID": "alice",
    "title": "What is the capital of France?",
    "startedAt": "2026-11-22T09:00:00.000Z",
    "lastAt": "2026-11-22T09:00:00.000Z",
}

CONVERSATIONS: dict[str, Any] = {
    "operation_id": "listConversations",
    "summary": _("List conversations, those that began last first"),
    "description": _(
        "Of every channel; with `openID` those of one person. Follow `next_cursor` while `has_more`"
        " is true. What was erased is not listed."
    ),
    "parameters": [ConversationsQuerySerializer],
    "responses": {
        200: ok(
            _page_of("Conversation", ConversationItemSerializer(many=True)),
            {"items": [_EXAMPLE], "next_cursor": CONVERSATION_ID, "has_more": False},
            "a page",
        ),
        **errors(*COMMON, 40003),
    },
}

MESSAGES: dict[str, Any] = {
    "operation_id": "listMessages",
    "summary": _("Read a conversation's messages in order"),
    "description": _(
        "Unanswered questions are there, too. Follow `next_cursor` while `has_more` is true; kept"
        " for later, it leads to what was asked since."
    ),
    "parameters": [MessagesQuerySerializer],
    "responses": {
        200: ok(
            _page_of("Message", AnswerItemSerializer(many=True)),
            {"items": [EXAMPLE_ITEM], "next_cursor": "1", "has_more": False},
            "a page",
        ),
        **errors(*COMMON, 40404),
    },
}
