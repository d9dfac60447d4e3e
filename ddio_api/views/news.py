"""What a number says unasked, and who follows it to hear it."""

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from bots import chat, followers, news, quotas
from bots.models import Follower, News
from ddio_api import items
from ddio_api.base import DdioView
from ddio_api.docs import news as docs
from ddio_api.errors import DdioError, not_in_this_state
from ddio_api.serializers import (
    FollowersQuerySerializer,
    MessageSendSerializer,
    idempotency_key,
)


class MessageSendView(DdioView):
    """Send a message from the number to a person, or to everybody who follows it."""

    @extend_schema(**docs.MESSAGE_SEND)
    def post(self, request: Request) -> HttpResponse:
        self.require_approved()
        key = idempotency_key(request.headers.get("Idempotency-Key"))
        asked = self.checked(MessageSendSerializer, request.data)
        notice = news.Notice(self.number, asked["message"], asked["receTargetID"] or None, key)
        sent = self._send(notice)
        return self.reply({"messageID": sent.pk, "accepted": sent.accepted})

    def _send(self, notice: news.Notice) -> News:
        try:
            return news.send(notice)
        except followers.NotApproved as error:  # since this call was let in
            raise not_in_this_state(error.state) from error
        except chat.UnknownPerson as error:
            raise DdioError(40003) from error
        except chat.IdempotencyConflict as error:
            raise DdioError(40900) from error
        except quotas.QuotaUsedUp as error:
            raise DdioError(45009, retry_after=error.retry_after) from error


class FollowersView(DdioView):
    """Those who follow the number, in the order in which they began to."""

    @extend_schema(**docs.FOLLOWERS)
    def get(self, request: Request) -> HttpResponse:
        self.require_approved()
        asked = self.checked_query(FollowersQuerySerializer)
        page = followers.read(self.number, asked["cursor"], asked["limit"])
        return self.reply(
            {
                "items": [_item(follower) for follower in page.followers],
                "next_cursor": str(page.next_cursor),
                "has_more": page.has_more,
            }
        )


def _item(follower: Follower) -> dict[str, Any]:
    return {"openID": follower.person.open_id, "since": items.timestamp(follower.since)}
