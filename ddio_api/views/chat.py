"""Asking the robot, and stopping it: parse, call, answer. The rest is written in bots."""

import time
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from bots import chat, entries, settlement
from bots.models import Channel, Message
from ddio_api import asking, items, waiting
from ddio_api.base import DdioView, Reply
from ddio_api.chat_serializers import CancelSerializer
from ddio_api.docs import answers as answer_docs
from ddio_api.docs import feedback as docs
from ddio_api.serializers import SendSerializer, idempotency_key
from ddio_api.views.feedback import message_of


class ChatSendView(DdioView):
    """Ask the robot on behalf of a person."""

    @extend_schema(**docs.SEND)
    def post(self, request: Request) -> HttpResponse:
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        asked = self.checked(SendSerializer, request.data)
        slots = self.slots() if asked["wait"] else None
        before = time.monotonic()
        message = self._accept(asked, key)
        if slots and not message.is_settled:
            asked_after = before if message.is_new else 0.0
            until = waiting.settled(message.pk, asked["wait"], asked_after)
            return self.hold(until, lambda: self._state(message.pk), slots)
        return self.reply(*self._state(message.pk))

    def _accept(self, asked: dict[str, Any], key: str) -> Message:
        terms = asking.terms(self.number, asked["openID"], Channel.DDIO)
        question = chat.Question(
            number=self.number,
            open_id=asked["openID"],
            text=asked["message"],
            channel=terms.channel,
            conversation_id=asked["conversationID"] or None,
            idempotency_key=key,
        )
        return asking.ask(question, *terms.limits)

    @staticmethod
    def _state(message_id: str) -> Reply:
        """The item where the answer is settled, otherwise that the question is accepted."""
        entry = entries.of_message(message_id)
        if entry.seq:
            return items.answer_item(entry), 200
        return items.accepted(entry), 202


class ChatCancelView(DdioView):
    """Stop an answer; one that is settled stays as it is."""

    @extend_schema(**answer_docs.CANCEL)
    def post(self, request: Request) -> HttpResponse:
        asked = self.checked(CancelSerializer, request.data)
        message = message_of(self, asked["messageID"])
        settlement.cancel(message)
        message.refresh_from_db(fields=["status"])
        return self.reply({"messageID": message.pk, "status": message.status})
