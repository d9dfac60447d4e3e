"""The list of messages: who may say what in it, and which of them is the question."""

from typing import Any, NoReturn

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.chat import QUESTION_LENGTH_AT_MOST, UNSTORABLE
from ddio_api.errors import DdioError

# As they are passed on: not every provider knows OpenAI's newer name.
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
BEYOND_TEXT = ("tool_calls", "function_call", "audio")
_TEXT = {"type": "string"}
_PART = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": ["text"]}, "text": _TEXT},
    "required": ["type", "text"],
}

Turn = dict[str, str]


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "properties": {
                "role": {"type": "string", "enum": list(ROLES)},
                "content": {"oneOf": [_TEXT, {"type": "array", "items": _PART, "minItems": 1}]},
            },
            "required": ["role", "content"],
        },
        "contains": {"type": "object", "properties": {"role": {"enum": ["user"]}}},
    }
)
class TurnsField(serializers.Field[list[Turn], Any, Any, Any]):
    """Text of the system, the user and the assistant, with at least one question."""

    def to_internal_value(self, data: Any) -> list[Turn]:
        if not isinstance(data, list) or not data:
            raise serializers.ValidationError(_("It must be a list of messages."))
        turns = [_turn(each, f"messages[{index}]") for index, each in enumerate(data)]
        asked = [index for index, turn in enumerate(turns) if turn["role"] == "user"]
        if not asked:
            raise serializers.ValidationError(_("One of the messages must be the user's."))
        _check_question(turns[asked[-1]]["content"], f"messages[{asked[-1]}].content")
        return turns

    def to_representation(self, value: list[Turn]) -> list[Turn]:
        return value


def question_of(turns: list[Turn]) -> str:
    """What the feed shows as the question: the user's last words."""
    return [turn["content"] for turn in turns if turn["role"] == "user"][-1]


def _refuse(where: str, sentence: str) -> NoReturn:
    raise DdioError(47001, fields={where: [sentence]})


def _turn(data: Any, where: str) -> Turn:
    if not isinstance(data, dict):
        _refuse(where, _("It must be an object."))
    role = data.get("role")
    if not isinstance(role, str) or role not in ROLES:
        _refuse(f"{where}.role", _("It must be system, developer, user or assistant."))
    for name in BEYOND_TEXT:
        if data.get(name):
            _refuse(f"{where}.{name}", _("The robot answers in text alone."))
    return {"role": ROLES[role], "content": _content(data.get("content"), f"{where}.content")}


def _content(data: Any, where: str) -> str:
    """A string, or parts of text, each of which becomes a line of its own."""
    if not isinstance(data, list):
        return _text(data, where)
    if not data:
        _refuse(where, _("It must be text."))
    return "\n".join(_part(part, f"{where}[{index}]") for index, part in enumerate(data))


def _part(data: Any, where: str) -> str:
    if not isinstance(data, dict):
        _refuse(where, _("It must be an object."))
    if data.get("type") != "text":
        _refuse(f"{where}.type", _("Only text is answered."))
    return _text(data.get("text"), f"{where}.text")


def _text(data: Any, where: str) -> str:
    if not isinstance(data, str):
        _refuse(where, _("It must be text."))
    if UNSTORABLE.search(data):
        _refuse(where, _("It holds NUL or half of a surrogate pair."))
    return data


def _check_question(text: str, where: str) -> None:
    if not text.strip():
        raise DdioError(44004, fields={where: []})
    if len(text) > QUESTION_LENGTH_AT_MOST:
        raise DdioError(45002, fields={where: []})
