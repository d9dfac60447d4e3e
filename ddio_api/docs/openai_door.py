"""The OpenAI door: the requests, answers and errors that official clients know."""

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    inline_serializer,
)
from rest_framework import serializers

from bots import faults
from ddio_api.docs.common import MESSAGE_ID
from ddio_api.errors import TABLE, DdioError
from ddio_api.openai_door.body import CompletionSerializer
from ddio_api.openai_door.errors import failure, no_such_model, object_of, row_of

COMMON = (-1, 40001, 40164, 41001, 42001, 45011, 47001, 50002)
ASKING = (40003, 40900, 44004, 45002, 45009, 48001)
FAILED = tuple(sorted(set(faults.FAULTS) - {faults.WITHHELD}))
CREATED = 1795338000
TAGS = ["OpenAI"]

ERROR = inline_serializer(
    "OpenAiError",
    {
        "error": inline_serializer(
            "OpenAiErrorObject",
            {
                "message": serializers.CharField(),
                "type": serializers.CharField(),
                "param": serializers.CharField(allow_null=True),
                "code": serializers.CharField(allow_null=True),
            },
        )
    },
)
COMPLETION = inline_serializer(
    "ChatCompletion",
    {
        "id": serializers.CharField(help_text=_("The messageID, as the feed has it.")),
        "object": serializers.CharField(),
        "created": serializers.IntegerField(),
        "model": serializers.CharField(help_text=_("The robot's model, whatever was asked for.")),
        "choices": inline_serializer(
            "ChatCompletionChoice",
            {
                "index": serializers.IntegerField(),
                "message": inline_serializer(
                    "ChatCompletionMessage",
                    {
                        "role": serializers.ChoiceField(choices=["assistant"]),
                        "content": serializers.CharField(allow_blank=True),
                        "refusal": serializers.CharField(allow_null=True),
                    },
                ),
                "logprobs": serializers.DictField(allow_null=True),
                "finish_reason": serializers.ChoiceField(
                    choices=["stop", "length", "content_filter"],
                    help_text=_("`length` also where the answer was stopped before its end."),
                ),
            },
            many=True,
        ),
        "usage": inline_serializer(
            "CompletionUsage",
            {
                "prompt_tokens": serializers.IntegerField(),
                "completion_tokens": serializers.IntegerField(),
                "total_tokens": serializers.IntegerField(),
            },
            allow_null=True,
            help_text=_("As the provider counted; null where it did not tell."),
        ),
    },
)


class ChunkEventSerializer(serializers.Serializer[Any]):
    """One event of the stream; the last one's data is `[DONE]`."""

    data = serializers.CharField(help_text=_("JSON"))  # type: ignore[assignment]  # the standard's name


class ModelSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.CharField()
    created = serializers.IntegerField()
    owned_by = serializers.CharField()


MODEL_LIST = inline_serializer(
    "ModelList", {"object": serializers.CharField(), "data": ModelSerializer(many=True)}
)

_REQUEST = {
    "model": "gpt-4o-mini",
    "messages": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "What is the capital of France?"},
    ],
    "user": "alice",
    "temperature": 0.2,
}
_USAGE = {"prompt_tokens": 41, "completion_tokens": 8, "total_tokens": 49}
_COMPLETION = {
    "id": MESSAGE_ID,
    "object": "chat.completion",
    "created": CREATED,
    "model": "smollm2-135m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "The capital of France is Paris.",
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _USAGE,
}
_MODEL = {"id": "smollm2-135m", "object": "model", "created": CREATED, "owned_by": "demo"}


def _streamed() -> str:
    head = {"id": MESSAGE_ID, "object": "chat.completion.chunk", "created": CREATED}
    steps: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "The capital of France is"}, None),
        ({"content": " Paris."}, None),
        ({}, "stop"),
    ]
    chunks = [
        head
        | {
            "model": "smollm2-135m",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        for delta, finish in steps
    ]
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


def errors(*codes: int, also: tuple[DdioError, ...] = ()) -> dict[int, OpenApiResponse]:
    """The answers for these codes of ours, grouped by their HTTP status, an example of each."""
    by_status: dict[int, list[DdioError]] = {}
    for known in [*(DdioError(code) if code in TABLE else failure(code) for code in codes), *also]:
        by_status.setdefault(row_of(known).status, []).append(known)
    return {
        status: OpenApiResponse(
            ERROR,
            description=" · ".join(f"{known.code}" for known in group),
            examples=[
                OpenApiExample(f"error {known.code}", value={"error": object_of(known)})
                for known in group
            ],
        )
        for status, group in by_status.items()
    }


def _json(schema: Any, value: Any, description: str) -> OpenApiResponse:
    examples = [OpenApiExample("answer", value=value)]
    return OpenApiResponse(schema, description=description, examples=examples)


COMPLETE: dict[str, Any] = {
    "operation_id": "createChatCompletion",
    "summary": _("Ask the robot as OpenAI's clients do"),
    "description": _(
        "Official OpenAI clients work with only `base_url` and `api_key` (an accessToken) changed."
        " Any `model` is accepted, and the robot's is used."
        " `messages` is honoured as a whole: the robot's system prompt comes first, then all of"
        " your system and developer messages, then the user's and the assistant's in their order;"
        " the oldest are left out where they exceed the robot's context budget. Parts of text are"
        " joined by a line break."
        " `user` becomes the openID (default `openai`; questions pending are limited per openID),"
        " and each call is a conversation of its own, in the feed with the channel `openai`."
        " `temperature`, `top_p`, `stop`, `max_tokens` and `max_completion_tokens` pass through,"
        " the last two up to the robot's own budget. Tools, images, audio, files, `n` above 1,"
        " `logprobs` and any `response_format` but text are refused; other fields are ignored."
        " With `stream` the answer comes as chunks, and a comment every 15 seconds while there is"
        ' nothing to tell; an error after that is an event `data: {"error": …}`.'
        " A client that goes away cancels its question, unless it named an Idempotency-Key: then"
        " the answer is finished, and the same key with the same body gets it."
    ),
    "tags": TAGS,
    "request": {"application/json": CompletionSerializer},
    "parameters": [
        OpenApiParameter(
            "Idempotency-Key",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description=_("1 to 255 printable ASCII characters, kept for 24 hours."),
            pattern="^[\\x20-\\x7e]{1,255}$",
        )
    ],
    "examples": [OpenApiExample("request", value=_REQUEST, request_only=True)],
    "responses": {
        (200, "application/json"): _json(COMPLETION, _COMPLETION, "the whole answer"),
        (200, "text/event-stream"): OpenApiResponse(
            ChunkEventSerializer,
            description="with `stream`: chunks, and `[DONE]` at the end",
            examples=[OpenApiExample("stream", value=_streamed())],
        ),
        **errors(*COMMON, *ASKING, *FAILED),
    },
}

MODELS: dict[str, Any] = {
    "operation_id": "listModels",
    "summary": _("Name the robot's model, as OpenAI's clients ask for it"),
    "tags": TAGS,
    "responses": {
        200: _json(MODEL_LIST, {"object": "list", "data": [_MODEL]}, "the robot's model, or none"),
        **errors(*COMMON),
    },
}

MODEL: dict[str, Any] = {
    "operation_id": "retrieveModel",
    "summary": _("Look one model up by its name"),
    "tags": TAGS,
    "responses": {
        200: _json(ModelSerializer, _MODEL, "the robot's"),
        **errors(*COMMON, also=(no_such_model(),)),
    },
}
