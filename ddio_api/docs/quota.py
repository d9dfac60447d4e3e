"""What is left of the limits."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from ddio_api.docs.common import COMMON, enveloped, errors, ok


class LeftSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    resetAt = serializers.DateTimeField()


class TokensLeftSerializer(serializers.Serializer[Any]):
    """Without a budget nothing ends: `limit` and `remaining` are null."""

    limit = serializers.IntegerField(allow_null=True)
    remaining = serializers.IntegerField(allow_null=True)
    resetAt = serializers.DateTimeField()
    used = serializers.IntegerField()


_LEFT = inline_serializer(
    "Quota",
    {"requests": LeftSerializer(), "asks": LeftSerializer(), "tokens": TokensLeftSerializer()},
)
_EXAMPLE = {
    "requests": {"limit": 200, "remaining": 199, "resetAt": "2026-11-22T09:00:00.010Z"},
    "asks": {"limit": 10000, "remaining": 9958, "resetAt": "2026-11-23T00:00:00.000Z"},
    "tokens": {
        "limit": None,
        "remaining": None,
        "resetAt": "2026-11-23T00:00:00.000Z",
        "used": 2058,
    },
}

QUOTA: dict[str, Any] = {
    "operation_id": "readQuota",
    "summary": _("Read what is left of the limits"),
    "description": _(
        "`requests` are those of this app: `limit` is how many may come at once, `resetAt` is when"
        " that many may come again. `asks` are the questions of today (UTC), of this service"
        " number, or before it is approved of all its owner's trials, whichever ends sooner."
        " `tokens` is what the owner lets the service number spend in a month (UTC): `used` is what"
        " was spent of it, and `remaining` leaves out what calls under way may still use. Without"
        " such a budget `used` tells what the calls of today have used."
    ),
    "responses": {
        200: ok(enveloped("QuotaEnvelope", _LEFT), _EXAMPLE, "what is left"),
        **errors(*COMMON),
    },
}
