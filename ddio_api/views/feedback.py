"""The feedback results: the feed, one item, an answer while it is written, and its rating."""

import re
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from bots import feed, ratings
from bots.following import Place
from bots.models import Message, Status
from ddio_api import items, streams, waiting
from ddio_api.base import DdioView
from ddio_api.chat_serializers import RatingSerializer
from ddio_api.docs import answers as answer_docs
from ddio_api.docs import feedback as docs
from ddio_api.errors import DdioError
from ddio_api.serializers import FeedQuerySerializer, ItemQuerySerializer
from portal.hold import HeldStream

_ID = re.compile("[A-Za-z0-9_-]{1,40}")


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
        if asked["wait"] and not page.entries and not page.has_more:
            rest = replace(query, cursor=page.next_cursor)
            until = waiting.grown(rest, asked["wait"])
            return self.hold(until, lambda: (self._page(feed.read(rest)), 200))
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
        if message.erased_at:
            return HeldStream(lambda: streams.last_word(message, place))
        slots = self.slots()
        return HeldStream(lambda: slots.counted(streams.chunks(self.app, message.pk, place)))


class RatingView(DdioView):
    """What a person says of an answer."""

    @extend_schema(**answer_docs.RATE)
    def post(self, request: Request, message_id: str) -> HttpResponse:
        asked = self.checked(RatingSerializer, request.data)
        message = message_of(self, message_id)
        try:
            ratings.rate(message, asked["rating"] or "", asked["comment"] or "")
        except ratings.NotRateable as error:
            message = message_of(self, message_id)
            raise DdioError(47001, fields={"rating": [self._why_not(message)]}) from error
        return self.reply(items.answer_item(message_of(self, message_id)))

    @staticmethod
    def _why_not(message: Message) -> str:
        if not message.is_settled:
            return _("The answer is not settled yet. Rate it when it is.")
        if message.erased_at:
            return _("The answer was erased.")
        if message.status == Status.FAILED:
            return _("The answer has failed: there is nothing to rate.")
        return _("The answer is empty: there is nothing to rate.")


def message_of(view: DdioView, message_id: str) -> Message:
    """The number's own message; another number's and none at all are refused alike (40404).

    What is no id at all is not looked up: PostgreSQL refuses a NUL with an error of its own.
    """
    found = view.number.messages.filter(pk=message_id).select_related("person")
    own = found.first() if _ID.fullmatch(message_id) else None
    if own is None:
        raise DdioError(40404)
    return own
