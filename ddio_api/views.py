"""The doors of the open interface: parse, call, answer. What they do is written in bots."""

import re
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from bots import chat, feed, quotas
from bots.following import Place
from bots.models import Channel, Message
from ddio_api import docs, items, limits, streams, tokens, waiting
from ddio_api.base import DdioView, Reply
from ddio_api.errors import DdioError
from ddio_api.rendering import envelope
from ddio_api.serializers import (
    FeedQuerySerializer,
    ItemQuerySerializer,
    SendSerializer,
    TokenSerializer,
    idempotency_key,
)
from portal import credentials
from portal.hold import HeldStream
from portal.models import AppSecret
from portal.request_ids import request_id_of

_ID = re.compile("[A-Za-z0-9_-]{1,40}")


class TokenView(DdioView):
    """DDIO's token door. Asking again issues another token and never kills an earlier one."""

    authentication_classes = []
    permission_classes = []
    takes_secrets = True

    @extend_schema(**docs.TOKEN)
    def post(self, request: Request) -> Response:
        asked = self.checked(TokenSerializer, TokenSerializer.one_spelling(request.data))
        secret = self._verified(asked["appID"], asked["appSecret"])
        if not secret.number.may_take_tokens:
            raise DdioError(50002)
        return Response(self._granted(secret))

    def _verified(self, app_id: str, clear: str) -> AppSecret:
        try:
            secret = credentials.verify(app_id, clear)
        except credentials.SecretFrozen as error:
            raise DdioError(40243) from error
        if secret is None:
            limits.refuse_guessing(app_id, self.request.META.get("REMOTE_ADDR", ""))
            raise DdioError(40125)
        return secret

    def _granted(self, secret: AppSecret) -> dict[str, Any]:
        """One flat body in which the client of every door finds its own words."""
        secret.touch(timezone.now())
        token, seconds = tokens.issue(secret.number_id, secret.generation)
        result = {"access_token": token, "expires_in": seconds}
        spellings = {"accessToken": token, "expiresIn": seconds, "token_type": "Bearer"}
        wechat = {"errcode": 0, "errmsg": "ok"}
        return result | spellings | wechat | envelope(result, request_id_of(self.request))


class ChatSendView(DdioView):
    """Ask the robot on behalf of a person."""

    @extend_schema(**docs.SEND)
    def post(self, request: Request) -> HttpResponse:
        if not self.number.answers_people:
            raise _not_in_this_state(self.number.get_state_display())
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        asked = self.checked(SendSerializer, request.data)
        message = self._accept(asked, key)
        if asked["wait"] and not message.is_settled:
            until = waiting.settled(message.pk, asked["wait"])
            return self.hold(until, lambda: self._state(message.pk))
        return self.reply(*self._state(message.pk))

    def _accept(self, asked: dict[str, Any], key: str) -> Message:
        question = chat.Question(
            number=self.number,
            open_id=asked["openID"],
            text=asked["message"],
            channel=Channel.DDIO,
            conversation_id=asked["conversationID"] or None,
            idempotency_key=key,
        )
        try:
            return quotas.ask(question)
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

    @staticmethod
    def _state(message_id: str) -> Reply:
        """The item where the answer is settled, otherwise that the question is accepted."""
        message = Message.objects.select_related("person").get(pk=message_id)
        if message.is_settled:
            return items.answer_item(message), 200
        return items.accepted(message), 202


class FeedView(DdioView):
    """The chat's feedback results: every settled item once, in order."""

    @extend_schema(**docs.FEED)
    def get(self, request: Request) -> HttpResponse:
        asked = self.checked_query(FeedQuerySerializer)
        query = feed.Query(
            self.number.pk,
            asked["cursor"],
            asked["limit"],
            feed.Filters(
                begin=asked.get("begin"),
                end=asked.get("end"),
                status=asked.get("status", ""),
                rating=asked.get("rating", ""),
                open_id=asked.get("openID", ""),
            ),
        )
        page = feed.read(query)
        if asked["wait"] and not page.entries:
            until = waiting.grown(query, asked["wait"])
            return self.hold(until, lambda: (self._page(feed.read(query)), 200))
        return self.reply(self._page(page))

    @staticmethod
    def _page(page: feed.Page) -> dict[str, Any]:
        return {
            "items": [items.feed_item(entry) for entry in page.entries],
            "next_cursor": str(page.next_cursor),
            "has_more": page.has_more,
        }


class FeedItemView(DdioView):
    """One item, settled or not."""

    @extend_schema(**docs.ITEM)
    def get(self, request: Request, message_id: str) -> HttpResponse:
        asked = self.checked_query(ItemQuerySerializer)
        message = self._message(message_id)
        if asked["wait"] and not message.is_settled:
            until = waiting.settled(message_id, asked["wait"])
            return self.hold(until, lambda: (items.answer_item(self._message(message_id)), 200))
        return self.reply(items.answer_item(message))

    def _message(self, message_id: str) -> Message:
        return message_of(self, message_id)


class StreamView(DdioView):
    """One answer while it is written, as Server-Sent Events."""

    @extend_schema(**docs.STREAM)
    def get(self, request: Request, message_id: str) -> HttpResponse:
        message = message_of(self, message_id)
        place = Place.parse(request.headers.get("Last-Event-ID", ""))
        if place.ended:
            return HttpResponse(status=204)
        return HeldStream(lambda: streams.chunks(self.app, message.pk, place))


def message_of(view: DdioView, message_id: str) -> Message:
    """The number's own message; another number's and none at all are refused alike (40404).

    What is no id at all is not looked up: PostgreSQL refuses a NUL with an error of its own.
    """
    found = view.number.messages.filter(pk=message_id).select_related("person")
    own = found.first() if _ID.fullmatch(message_id) else None
    if own is None:
        raise DdioError(40404)
    return own


def _not_in_this_state(state: str) -> DdioError:
    return DdioError(48001, docs.STATE_SENTENCE % {"state": state})
