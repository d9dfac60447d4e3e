"""What the number's calls have used and cost."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from bots.models import Channel
from ddio_api.docs.common import COMMON, enveloped, errors, ok
from ddio_api.serializers import UsageQuerySerializer


class CallsSerializer(serializers.Serializer[Any]):
    """Calls of providers by how they ended. `unknown`: nobody is left who could say."""

    used = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    failed = serializers.IntegerField()
    unknown = serializers.IntegerField()


class SumsSerializer(serializers.Serializer[Any]):
    """`estimatedTokens` are those among `totalTokens` that no provider has counted."""

    calls = CallsSerializer()
    promptTokens = serializers.IntegerField()
    completionTokens = serializers.IntegerField()
    totalTokens = serializers.IntegerField()
    estimatedTokens = serializers.IntegerField()
    cost = serializers.CharField()


class DaySumsSerializer(SumsSerializer):
    day = serializers.DateField()


class ModelSumsSerializer(SumsSerializer):
    model = serializers.CharField()


class ChannelSumsSerializer(SumsSerializer):
    channel = serializers.ChoiceField(Channel.choices)


class TokensMeterSerializer(serializers.Serializer[Any]):
    """`reserved` is the most that the calls under way may use."""

    limit = serializers.IntegerField()
    spent = serializers.IntegerField()
    reserved = serializers.IntegerField()
    remaining = serializers.IntegerField()


class MoneyMeterSerializer(serializers.Serializer[Any]):
    """The same in the currency, as decimal numbers."""

    limit = serializers.CharField()
    spent = serializers.CharField()
    reserved = serializers.CharField()
    remaining = serializers.CharField()


class BudgetSerializer(serializers.Serializer[Any]):
    """This month's, whatever month was asked for; null where there is none."""

    resetAt = serializers.DateTimeField()
    tokens = TokensMeterSerializer(allow_null=True)
    money = MoneyMeterSerializer(allow_null=True)


_USAGE = inline_serializer(
    "UsageOfMonth",
    {
        "month": serializers.CharField(),
        "currency": serializers.CharField(),
        "totals": SumsSerializer(),
        "days": DaySumsSerializer(many=True),
        "models": ModelSumsSerializer(many=True),
        "channels": ChannelSumsSerializer(many=True),
        "budget": BudgetSerializer(),
    },
)
_SUMS = {
    "calls": {"used": 41, "cancelled": 1, "failed": 2, "unknown": 0},
    "promptTokens": 9120,
    "completionTokens": 4388,
    "totalTokens": 13508,
    "estimatedTokens": 120,
    "cost": "0.0538512",
}
_EXAMPLE = {
    "month": "2026-11",
    "currency": "USD",
    "totals": _SUMS,
    "days": [{"day": "2026-11-22"} | _SUMS],
    "models": [{"model": "gpt-5-mini"} | _SUMS],
    "channels": [{"channel": "ddio"} | _SUMS],
    "budget": {
        "resetAt": "2026-12-01T00:00:00.000Z",
        "tokens": {"limit": 1000000, "spent": 13508, "reserved": 2180, "remaining": 984312},
        "money": None,
    },
}

USAGE: dict[str, Any] = {
    "operation_id": "readUsage",
    "summary": _("Read what the calls of a month have used"),
    "description": _(
        "Every call for an answer is counted once: also one that failed, was stopped, or failed"
        " over to the next key. A call belongs to the day and month (UTC) in which it began. Where"
        " the provider told no usage, or a call was cut short, its tokens are estimated. `cost` is"
        " exact, at the prices of the time of each call. Days without a call are left out. Checks"
        " of API keys, of one token each, and a provider's moderation are not counted."
    ),
    "parameters": [UsageQuerySerializer],
    "responses": {
        200: ok(enveloped("UsageEnvelope", _USAGE), _EXAMPLE, "usage"),
        **errors(*COMMON),
    },
}
