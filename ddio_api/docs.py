"""What the schema says of each door: requests, answers, errors, and an example of everything."""

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
from bots.models import Channel, Status
from ddio_api.errors import TABLE
from ddio_api.serializers import (
    FeedQuerySerializer,
    ItemQuerySerializer,
    SendSerializer,
    TokenSerializer,
)

STATE_SENTENCE = _("The service number is “%(state)s”; it answers people once it is approved.")
_MESSAGE_ID = "msg_01kdm8x0v4q2c7w3n5r6t8y9za"
_CONVERSATION_ID = "conv_01kdm8x0v3b4d6f8h2j5k7m9np"
_REQUEST_ID = "req_01kdm8x0v2a4c6e8g1h3k5m7pq"


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error: a code of the table, and a sentence in the caller's language."""

    code = serializers.IntegerField()
    msg = serializers.CharField()
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the contract's name
    request_id = serializers.CharField()


class AnswerErrorSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField(choices=sorted(faults.FAULTS))
    msg = serializers.CharField()


class UsageSerializer(serializers.Serializer[Any]):
    promptTokens = serializers.IntegerField()
    completionTokens = serializers.IntegerField()
    totalTokens = serializers.IntegerField()


class AnswerItemSerializer(serializers.Serializer[Any]):
    """A question with its answer; unsettled items have `answer` and `seq` null."""

    kind = serializers.ChoiceField(choices=["answer"])
    messageID = serializers.CharField()
    conversationID = serializers.CharField()
    openID = serializers.CharField()
    channel = serializers.ChoiceField(choices=Channel.choices)
    question = serializers.CharField()
    answer = serializers.CharField(allow_null=True)
    model = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=Status.choices)
    error = AnswerErrorSerializer(allow_null=True)
    rating = serializers.ChoiceField(choices=["like", "dislike"], allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    askedAt = serializers.DateTimeField()
    answeredAt = serializers.DateTimeField(allow_null=True)
    latencyMs = serializers.IntegerField(allow_null=True)
    usage = UsageSerializer(allow_null=True)
    seq = serializers.IntegerField(allow_null=True)


class RatingItemSerializer(serializers.Serializer[Any]):
    """A rating given after the answer was settled: an entry of its own."""

    kind = serializers.ChoiceField(choices=["rating"])
    seq = serializers.IntegerField()
    messageID = serializers.CharField()
    conversationID = serializers.CharField()
    openID = serializers.CharField()
    rating = serializers.ChoiceField(choices=["like", "dislike"], allow_null=True)
    comment = serializers.CharField(allow_blank=True)
    ratedAt = serializers.DateTimeField()


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


def _enveloped(name: str, result: Any) -> Any:
    return inline_serializer(
        name,
        {
            "code": serializers.IntegerField(default=0),
            "msg": serializers.CharField(default="ok"),
            "result": result,
            "request_id": serializers.CharField(),
        },
    )


TOKEN_GRANT = inline_serializer(
    "TokenGrant",
    {
        "access_token": serializers.CharField(),
        "accessToken": serializers.CharField(),
        "token_type": serializers.CharField(),
        "expires_in": serializers.IntegerField(),
        "expiresIn": serializers.IntegerField(),
        "code": serializers.IntegerField(),
        "msg": serializers.CharField(),
        "errcode": serializers.IntegerField(),
        "errmsg": serializers.CharField(),
        "result": inline_serializer(
            "TokenResult",
            {
                "access_token": serializers.CharField(),
                "expires_in": serializers.IntegerField(),
            },
        ),
        "request_id": serializers.CharField(),
    },
)
ITEM_ENVELOPE = _enveloped("AnswerEnvelope", AnswerItemSerializer())
ACCEPTED_ENVELOPE = _enveloped("AcceptedEnvelope", AcceptedSerializer())
PAGE = inline_serializer(
    "FeedPage",
    {
        "items": FEED_ENTRY,
        "next_cursor": serializers.CharField(),
        "has_more": serializers.BooleanField(),
    },
)
PAGE_ENVELOPE = _enveloped("FeedPageEnvelope", PAGE)

_COMMON = (-1, 40001, 41001, 42001, 45011, 47001, 50002)


def _errors(*codes: int) -> dict[int, OpenApiResponse]:
    """The answers for these codes, grouped by their HTTP status, with an example of each."""
    by_status: dict[int, list[int]] = {}
    for code in codes:
        by_status.setdefault(TABLE[code].status, []).append(code)
    by_status.setdefault(503, []).append(-1)
    return {
        http_status: OpenApiResponse(
            ErrorSerializer,
            description=" · ".join(f"{code}" for code in group),
            examples=[_error_example(code) for code in group],
        )
        for http_status, group in by_status.items()
    }


def _error_example(code: int) -> OpenApiExample:
    value = {"code": code, "msg": str(TABLE[code].message), "request_id": _REQUEST_ID}
    return OpenApiExample(f"error {code}", value=value)


def _ok(schema: Any, result: Any, description: str) -> OpenApiResponse:
    value = {"code": 0, "msg": "ok", "result": result, "request_id": _REQUEST_ID}
    return OpenApiResponse(
        schema, description=description, examples=[OpenApiExample("answer", value=value)]
    )


_ITEM = {
    "kind": "answer",
    "messageID": _MESSAGE_ID,
    "conversationID": _CONVERSATION_ID,
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
    f"event: done\nid: 1-31-end\ndata: {json.dumps(_ITEM)}\n\n"
)
_TOKEN = {"access_token": "fwat_AQAAAA", "expires_in": 7200}

TOKEN: dict[str, Any] = {
    "operation_id": "takeToken",
    "summary": _("Exchange appId and appSecret for a temporary accessToken"),
    "request": {
        "application/json": TokenSerializer,
        "application/x-www-form-urlencoded": TokenSerializer,
    },
    "auth": [],
    "examples": [
        OpenApiExample(
            "request",
            value={"appID": "fw0123456789abcdef", "appSecret": "fwsk_0", "accessType": "CLIENT"},
            request_only=True,
            media_type=media_type,
        )
        for media_type in ("application/json", "application/x-www-form-urlencoded")
    ],
    "responses": {
        200: OpenApiResponse(
            TOKEN_GRANT,
            examples=[
                OpenApiExample(
                    "answer",
                    value={
                        **_TOKEN,
                        "accessToken": "fwat_AQAAAA",
                        "token_type": "Bearer",
                        "expiresIn": 7200,
                        "code": 0,
                        "msg": "ok",
                        "errcode": 0,
                        "errmsg": "ok",
                        "result": _TOKEN,
                        "request_id": _REQUEST_ID,
                    },
                )
            ],
        ),
        **_errors(-1, 40002, 40013, 40125, 40243, 41002, 41004, 45002, 45011, 47001, 50002),
    },
}

SEND: dict[str, Any] = {
    "operation_id": "askRobot",
    "summary": _("Ask the robot on behalf of a person"),
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
        200: _ok(ITEM_ENVELOPE, _ITEM, "settled within `wait`"),
        202: _ok(
            ACCEPTED_ENVELOPE,
            {
                "messageID": _MESSAGE_ID,
                "conversationID": _CONVERSATION_ID,
                "status": "queued",
            },
            "accepted",
        ),
        **_errors(*_COMMON, 40003, 40404, 40900, 44004, 45002, 45009, 48001),
    },
}

FEED: dict[str, Any] = {
    "operation_id": "readFeed",
    "summary": _("Read the chat's feedback results, in order, each once"),
    "parameters": [FeedQuerySerializer],
    "responses": {
        200: _ok(
            PAGE_ENVELOPE, {"items": [_ITEM], "next_cursor": "1", "has_more": False}, "a page"
        ),
        **_errors(*_COMMON),
    },
}

ITEM: dict[str, Any] = {
    "operation_id": "readMessage",
    "summary": _("Read one message with its answer"),
    "parameters": [ItemQuerySerializer],
    "responses": {200: _ok(ITEM_ENVELOPE, _ITEM, "the item"), **_errors(*_COMMON, 40404)},
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
            OpenApiTypes.STR,
            description="`delta`, `reset`, and exactly one `done` with the item",
            examples=[OpenApiExample("stream", value=_STREAMED)],
        ),
        204: OpenApiResponse(description="`done` was received already"),
        **_errors(*_COMMON, 40404),
    },
}
