"""What a number says unasked, and who follows it: requests, answers, errors, examples."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, inline_serializer
from rest_framework import serializers

from ddio_api.docs.common import COMMON, MESSAGE_ID, enveloped, errors, ok
from ddio_api.serializers import FollowersQuerySerializer, MessageSendSerializer

OPEN_ID = "o_5f0c2b7d91e84a36b2c4d8e6f1a3"
SENT_ENVELOPE = enveloped(
    "MessageSentEnvelope",
    inline_serializer(
        "MessageSent",
        {"messageID": serializers.CharField(), "accepted": serializers.IntegerField(min_value=0)},
    ),
)
FOLLOWERS_ENVELOPE = enveloped(
    "FollowersPageEnvelope",
    inline_serializer(
        "FollowersPage",
        {
            "items": inline_serializer(
                "Follower",
                {"openID": serializers.CharField(), "since": serializers.DateTimeField()},
                many=True,
            ),
            "next_cursor": serializers.CharField(),
            "has_more": serializers.BooleanField(),
        },
    ),
)

MESSAGE_SEND: dict[str, Any] = {
    "operation_id": "sendMessage",
    "summary": _("Send a message from the service number to a person, or to all its followers"),
    "description": _(
        "The person reads it under News in the number's chat; Markdown is shown as such. With"
        " chatScene `user` it goes to the openID in receTargetID, whether or not that person"
        " follows. With `all` it goes to everybody who follows at this moment, `accepted` says how"
        " many that are (0 is no error), and who follows later does not see it. The openID of a"
        " person on the web is in the followers list and in the feedback results. What is sent to"
        " an openID that your own system made up is kept, but only people on the web have a page to"
        " read it on. An Idempotency-Key compares receTargetID, chatScene and message; keys of this"
        " call and of chat/send do not meet."
    ),
    "request": {"application/json": MessageSendSerializer},
    "parameters": [
        OpenApiParameter(
            "Idempotency-Key",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description=_("1 to 255 printable ASCII characters, kept for 24 hours."),
            pattern="^[\\x20-\\x7e]{1,255}$",
        )
    ],
    "examples": [
        OpenApiExample(
            "to a person",
            value={
                "receTargetID": OPEN_ID,
                "messageType": 2,
                "message": "Your order is on its way.",
                "chatScene": "user",
            },
            request_only=True,
        ),
        OpenApiExample(
            "to all followers",
            value={
                "messageType": 2,
                "message": "**We move house.** From Monday on you find us at the harbour.",
                "chatScene": "all",
            },
            request_only=True,
        ),
    ],
    "responses": {
        200: ok(SENT_ENVELOPE, {"messageID": MESSAGE_ID, "accepted": 1}, "sent"),
        **errors(*COMMON, 40003, 40900, 44004, 45002, 45009, 48001),
    },
}

FOLLOWERS: dict[str, Any] = {
    "operation_id": "listFollowers",
    "summary": _("List those who follow the service number, in order of following"),
    "description": _(
        "Keep following next_cursor: everybody who follows is met once, also who begins meanwhile."
        " Who unfollows leaves the list; who follows again stands at its end."
    ),
    "parameters": [FollowersQuerySerializer],
    "responses": {
        200: ok(
            FOLLOWERS_ENVELOPE,
            {
                "items": [{"openID": OPEN_ID, "since": "2026-11-22T09:00:00.000Z"}],
                "next_cursor": "1",
                "has_more": False,
            },
            "a page",
        ),
        **errors(*COMMON, 48001),
    },
}
