"""Asking, and reading the feedback results: requests, answers, errors, examples."""

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    inline_serializer,
)
from rest_framework import serializers

from bots import faults
from bots.models import Channel, Rating, Status
from ddio_api.docs.common import COMMON, CONVERSATION_ID, MESSAGE_ID, enveloped, errors, ok
from ddio_api.serializers import FeedQuerySerializer, ItemQuerySerializer, SendSerializer


class AnswerErrorSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=sorted(faults.FAULTS))
    msg = serializers.CharField()


class UsageSerializer(serializers.Serializer[Any]):
    promptTokens = serializers.IntegerField()
    completionTokens = serializers.IntegerField()
    totalTokens = serializers.IntegerField()


class AnswerItemSerializer(serializers.Serializer[Any]):
    """A question with its answer; unsettled items have `answer` and `seq` null.

    `erased` is there, and true, only where the person was erased: question and answer are gone.
    """

    kind = serializers.ChoiceField(choices=["answer"])
    messageID = serializers.CharField()
    conversationID = serializers.CharField()
    openID = serializers.CharField()
    channel = serializers.ChoiceField(choices=Channel.choices)
    question = serializers.CharField(allow_null=True)
    answer = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=Status.choices)
    error = AnswerErrorSerializer(allow_null=True)
    rating = serializers.ChoiceField(choices=Rating.values, allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    askedAt = serializers.DateTimeField()
    answeredAt = serializers.DateTimeField(allow_null=True)
    latencyMs = serializers.IntegerField(allow_null=True)
    usage = UsageSerializer(allow_null=True)
    seq = serializers.IntegerField(allow_null=True)
    erased = serializers.BooleanField(required=False)


class RatingItemSerializer(serializers.Serializer[Any]):
    """A rating given after the answer was settled: an entry of its own.

    `erased` is there, and true, only where the person was erased: the comment is gone.
    """

    kind = serializers.ChoiceField(choices=["rating"])
    seq = serializers.IntegerField()
    messageID = serializers.CharField()
    conversationID = serializers.CharField()
    openID = serializers.CharField()
    rating = serializers.ChoiceField(choices=Rating.values, allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    ratedAt = serializers.DateTimeField()
    erased = serializers.BooleanField(required=False)


FEED_ENTRY = PolymorphicProxySerializer(
    component_name="FeedItem",
    serializers={"answer": AnswerItemSerializer, "rating": RatingItemSerializer},
    resource_type_field_name="kind",
    many=True,
)


class AcceptedSerializer(serializers.Serializer[Any]):
    messageID = serializers.CharField()
    conversationID = serializers.CharField()
    status = serializers.ChoiceField(choices=["queued", "running"])


class StreamEventSerializer(serializers.Serializer[Any]):
    """One event of the stream: OpenAPI 3.1 has no other words for a stream than its events."""

    event = serializers.ChoiceField(choices=["delta", "reset", "done", "error"])
    id = serializers.CharField(required=False)
    data = serializers.CharField(help_text=_("JSON"))  # type: ignore[assignment]  # the standard's name


ITEM_ENVELOPE = enveloped("AnswerEnvelope", AnswerItemSerializer())
ACCEPTED_ENVELOPE = enveloped("AcceptedEnvelope", AcceptedSerializer())
PAGE = inline_serializer(
    "FeedPage",
    {
        "items": FEED_ENTRY,
        "next_cursor": serializers.CharField(),
        "has_more": serializers.BooleanField(),
    },
)
PAGE_ENVELOPE = enveloped("FeedPageEnvelope", PAGE)

EXAMPLE_ITEM = {
    "kind": "answer",
    "messageID": MESSAGE_ID,
    "conversationID": CONVERSATION_ID,
    "openID": "alice",
    "channel": "ddio",
    "question": "What is the capital of France?",
    "answer": "The capital of France is Paris.",
    "model": "smollm2-135m",
    "status": "done",
    "error": None,
    "rating": None,
    "comment": "",
    "askedAt": "2026-11-22T09:00:00.000Z",
    "answeredAt": "2026-11-22T09:00:01.250Z",
    "latencyMs": 1250,
    "usage": {"promptTokens": 41, "completionTokens": 8, "totalTokens": 49},
    "seq": 1,
}
_STREAMED = (
    'event: delta\nid: 1-24\ndata: {"text": "The capital of France is"}\n\n'
    ": still here\n\n"
    'event: delta\nid: 1-31\ndata: {"text": " Paris."}\n\n'
    f"event: done\nid: 1-31-end\ndata: {json.dumps(EXAMPLE_ITEM)}\n\n"
)
SEND: dict[str, Any] = {
    "operation_id": "askRobot",
    "summary": _("Ask the robot on behalf of a person"),
    "description": _(
        "A service number that is not approved yet answers only its owner's trials: ask under the"
        " openID `sandbox` (or the owner's own openID), so many times a day as `quota` says. At an"
        " approved number `sandbox` is a name like any other."
    ),
    "request": {"application/json": SendSerializer},
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
            "request",
            value={"openID": "alice", "message": "What is the capital of France?", "wait": 30},
            request_only=True,
        )
    ],
    "responses": {
        200: ok(ITEM_ENVELOPE, EXAMPLE_ITEM, "settled within `wait`"),
        202: ok(
            ACCEPTED_ENVELOPE,
            {
                "messageID": MESSAGE_ID,
                "conversationID": CONVERSATION_ID,
                "status": "queued",
            },
            "accepted",
        ),
        **errors(*COMMON, 40003, 40404, 40900, 44004, 45002, 45009, 48001),
    },
}

FEED: dict[str, Any] = {
    "operation_id": "readFeed",
    "summary": _("Read the chat's feedback results, in order, each once"),
    "description": _(
        "Follow `next_cursor`, also where `items` is empty: a filtered page looks at a part of the "
        "feed only, and `has_more` says whether there is more to look at. `next_cursor` lies "
        "behind everything that was looked at."
    ),
    "parameters": [FeedQuerySerializer],
    "responses": {
        200: ok(
            PAGE_ENVELOPE,
            {"items": [EXAMPLE_ITEM], "next_cursor": "1", "has_more": False},
            "a page",
        ),
        **errors(*COMMON),
    },
}

ITEM: dict[str, Any] = {
    "operation_id": "readMessage",
    "summary": _("Read one message with its answer"),
    "parameters": [ItemQuerySerializer],
    "responses": {200: ok(ITEM_ENVELOPE, EXAMPLE_ITEM, "the item"), **errors(*COMMON, 40404)},
}

STREAM: dict[str, Any] = {
    "operation_id": "streamMessage",
    "summary": _("Read one answer while it is written (Server-Sent Events)"),
    "parameters": [
        OpenApiParameter(
            "Last-Event-ID",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description=_("The id of the last event received: the stream goes on behind it."),
        )
    ],
    "responses": {
        (200, "text/event-stream"): OpenApiResponse(
            StreamEventSerializer,
            description="`delta`, `reset`, and exactly one `done` with the item",
            examples=[OpenApiExample("stream", value=_STREAMED)],
        ),
        204: OpenApiResponse(description="`done` was received already"),
        **errors(*COMMON, 40404),
    },
}
