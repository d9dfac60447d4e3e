"""Asking the robot, and stopping it: parse, call, answer. The rest is written in bots."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from bots import chat, quotas, settlement, trials
from bots import chat
from bots.models import Channel, Message
from ddio_api import asking, items, waiting
from ddio_api.base import DdioView, Reply
from ddio_api.chat_serializers import CancelSerializer
from ddio_api.docs import answers as answer_docs
from ddio_api.docs import feedback as docs
from ddio_api.errors import DdioError, only_trials_in_this_state
from ddio_api.errors import not_in_this_state
from ddio_api.serializers import SendSerializer, idempotency_key
from ddio_api.views.feedback import message_of


class ChatSendView(DdioView):
    """Ask the robot on behalf of a person."""

    @extend_schema(**docs.SEND)
    def post(self, request: Request) -> HttpResponse:
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        asked = self.checked(SendSerializer, request.data)
        message = self._accept(asked, key)
        if asked["wait"] and not message.is_settled:
            until = waiting.settled(message.pk, asked["wait"])
            return self.hold(until, lambda: self._state(message.pk))
        return self.reply(*self._state(message.pk))

    def _terms(self, open_id: str) -> trials.Terms:
        try:
            return trials.terms(self.number, open_id, Channel.DDIO)
        except trials.OnlyTrials as error:
            raise only_trials_in_this_state(self.number.get_state_display()) from error

    def _accept(self, asked: dict[str, Any], key: str) -> Message:
        terms = self._terms(asked["openID"])
        question = chat.Question(
            number=self.number,
            open_id=asked["openID"],
            text=asked["message"],
            channel=terms.channel,
            conversation_id=asked["conversationID"] or None,
            idempotency_key=key,
        )
        try:
            return quotas.ask(question, *terms.limits)
        except chat.UnknownPerson as error:
            raise DdioError(40003) from error
        except chat.UnknownConversation as error:
            raise DdioError(40404) from error
        except chat.TooManyPending as error:
            raise DdioError(45011, retry_after=1) from error
        except chat.IdempotencyConflict as error:
            raise DdioError(40900) from error
        except quotas.QuotaUsedUp as error:
            raise DdioError(45009, retry_after=error.retry_after) from error
        return asking.ask(question)

    @staticmethod
    def _state(message_id: str) -> Reply:
        """The item where the answer is settled, otherwise that the question is accepted."""
        message = Message.objects.select_related("person").get(pk=message_id)
        if message.is_settled:
            return items.answer_item(message), 200
        return items.accepted(message), 202


class ChatCancelView(DdioView):
    """Stop an answer; one that is settled stays as it is."""

    @extend_schema(**answer_docs.CANCEL)
    def post(self, request: Request) -> HttpResponse:
        asked = self.checked(CancelSerializer, request.data)
        message = message_of(self, asked["messageID"])
        settlement.cancel(message)
        message.refresh_from_db(fields=["status"])
        return self.reply({"messageID": message.pk, "status": message.status})
