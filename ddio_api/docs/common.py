"""What the descriptions of all doors share: the envelope, the errors, and examples of both."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, inline_serializer
from rest_framework import serializers

from ddio_api.errors import TABLE

REQUEST_ID = "req_01kdm8x0v2a4c6e8g1h3k5m7pq"
APP_ID = "fw0123456789abcdef"
MESSAGE_ID = "msg_01kdm8x0v4q2c7w3n5r6t8y9za"
CONVERSATION_ID = "conv_01kdm8x0v3b4d6f8h2j5k7m9np"
# What every call with an accessToken may meet.
COMMON = (-1, 40001, 40164, 41001, 42001, 45011, 47001, 50002)


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error: a code of the table, and a sentence in the caller's language."""

    code = serializers.IntegerField()
    msg = serializers.CharField()
    fields = serializers.DictField(required=False)  # type: ignore[assignment]  # the contract's name
    request_id = serializers.CharField()


def enveloped(name: str, result: Any) -> Any:
    return inline_serializer(
        name,
        {
            "code": serializers.IntegerField(default=0),
            "msg": serializers.CharField(default="ok"),
            "result": result,
            "request_id": serializers.CharField(),
        },
    )


def errors(*codes: int) -> dict[int, OpenApiResponse]:
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
    value = {"code": code, "msg": str(TABLE[code].message), "request_id": REQUEST_ID}
    return OpenApiExample(f"error {code}", value=value)


def ok(schema: Any, result: Any, description: str) -> OpenApiResponse:
    value = {"code": 0, "msg": "ok", "result": result, "request_id": REQUEST_ID}
    return OpenApiResponse(
        schema, description=description, examples=[OpenApiExample("answer", value=value)]
    )
