"""The body of a completion request: every field is checked before anything else happens.

What the robot cannot do is refused by name; what merely tunes or labels is let through unread, as
other servers of this protocol do.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ddio_api.errors import DdioError
from ddio_api.openai_door.turns import TurnsField, question_of
from ddio_api.serializers import OPEN_ID_CHARACTERS_AT_MOST, OpenIdField, TextField

DEFAULT_USER = "openai"
TOKENS_AT_MOST = 2**31 - 1
STOPS_AT_MOST = 4
# What may stand in fields that ask for more than text; null says the same as leaving them out.
HARMLESS: dict[str, list[Any]] = {
    "tools": [[]],
    "functions": [[]],
    "n": [1],
    "audio": [],
    "modalities": [["text"]],
    "response_format": [{"type": "text"}],
    "logprobs": [False],
    "top_logprobs": [0],
    "web_search_options": [],
}
_OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True, "default": None}


class NumberField(serializers.FloatField):
    """A JSON number: no string, no boolean."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float):
            self.fail("invalid")
        number: float = data  # and no float(data): 400 digits fit into none
        return number


class CountField(serializers.IntegerField):
    """A JSON integer; 5.0 is one too."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int and not (type(data) is float and data.is_integer()):
            self.fail("invalid")
        return int(data)


class FlagField(serializers.BooleanField):
    """true or false, and no other way to say it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


_STOP = {"type": "string", "minLength": 1}


@extend_schema_field(
    {"oneOf": [_STOP, {"type": "array", "items": _STOP, "maxItems": STOPS_AT_MOST}]}
)
class StopField(serializers.Field[list[str], Any, Any, Any]):
    """A string, or up to four."""

    def to_internal_value(self, data: Any) -> list[str]:
        stops = data if isinstance(data, list) else [data]
        if len(stops) > STOPS_AT_MOST:
            raise serializers.ValidationError(_("Four stop sequences at most."))
        return [TextField().run_validation(stop) for stop in stops]

    def to_representation(self, value: list[str]) -> list[str]:
        return value


class StreamOptionsSerializer(serializers.Serializer[Any]):
    include_usage = FlagField(**_OPTIONAL)


class CompletionSerializer(serializers.Serializer[Any]):
    model = TextField(**_OPTIONAL, allow_blank=True)
    messages = TurnsField()
    user = OpenIdField(max_length=OPEN_ID_CHARACTERS_AT_MOST, **_OPTIONAL)
    stream = FlagField(**_OPTIONAL)
    stream_options = StreamOptionsSerializer(**_OPTIONAL)
    temperature = NumberField(min_value=0, max_value=2, **_OPTIONAL)
    top_p = NumberField(min_value=0, max_value=1, **_OPTIONAL)
    max_tokens = CountField(min_value=1, max_value=TOKENS_AT_MOST, **_OPTIONAL)
    max_completion_tokens = CountField(min_value=1, max_value=TOKENS_AT_MOST, **_OPTIONAL)
    stop = StopField(**_OPTIONAL)

    def to_internal_value(self, data: dict[str, Any]) -> dict[str, Any]:
        for name, harmless in HARMLESS.items():
            given = data.get(name)
            if given is not None and not _is_one_of(given, harmless):
                raise serializers.ValidationError({name: [_("The robot answers in text alone.")]})
        asked: dict[str, Any] = super().to_internal_value(data)
        return asked


def _is_one_of(given: Any, harmless: list[Any]) -> bool:
    """In Python true is 1, too."""
    return any(type(given) is type(each) and given == each for each in harmless)


@dataclass(frozen=True)
class Asked:
    """A request as the rest of us reads it."""

    question: str
    turns: list[dict[str, str]]
    params: dict[str, Any]
    user: str
    stream: bool
    include_usage: bool

    @classmethod
    def read(cls, checked: dict[str, Any]) -> "Asked":
        limits = [checked["max_tokens"], checked["max_completion_tokens"]]
        params = {
            "temperature": checked["temperature"],
            "top_p": checked["top_p"],
            "max_tokens": min((limit for limit in limits if limit is not None), default=None),
            "stop": checked["stop"] or None,
        }
        return cls(
            question=question_of(checked["messages"]),
            turns=checked["messages"],
            params={name: value for name, value in params.items() if value is not None},
            user=checked["user"] or DEFAULT_USER,
            stream=bool(checked["stream"]),
            include_usage=bool((checked["stream_options"] or {}).get("include_usage")),
        )


def in_one_spelling(data: Any) -> str:
    """All that was sent, whatever its order and blanks: what a repeated key must have again."""
    try:
        return json.dumps(data, sort_keys=True)
    except RecursionError:
        sentence = _("The JSON is nested too deeply.")
        raise DdioError(47001, fields={"body": [sentence]}) from None
