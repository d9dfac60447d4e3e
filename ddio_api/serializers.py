"""What callers may send, checked before anything else happens."""

import re
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.chat import QUESTION_LENGTH_AT_MOST, UNSTORABLE
from bots.feed import PAGE_AT_MOST
from bots.models import Rating, Status
from ddio_api.errors import DdioError
from portal.ids import is_app_id

OPEN_ID_CHARACTERS_AT_MOST = 64
TEXT_MESSAGE = 2  # DDIO's messageType: 1 html, 2 text, 3 audio, 4 location, 5 image, 6 file, 7 card
CLIENT = "CLIENT"
GRANT_TYPES = ("client_credentials", "client_credential")  # OAuth's word, and WeChat's
ONE_PERSON, ALL_FOLLOWERS = "user", "all"  # DDIO's chatScene
TEXT_OF_MESSAGE = {
    "type": "string",
    "minLength": 1,
    "maxLength": QUESTION_LENGTH_AT_MOST,
    "pattern": r"^[^\x00]*[^\s\x00][^\x00]*$",
}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_INTEGER = re.compile(r"-?\d{1,9}", re.ASCII)
_CURSOR = re.compile(r"\d{1,18}", re.ASCII)
_MONTH = re.compile(r"20\d{2}-(0[1-9]|1[0-2])", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class TextField(serializers.CharField):
    """Text as it came: a string (no number, no boolean), nothing a database would refuse.

    `pattern` is what the schema says of it; what it lets through may still be refused elsewhere.
    """

    pattern = r"^[^\x00]+$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if UNSTORABLE.search(data):
            raise serializers.ValidationError(_("It holds NUL or half of a surrogate pair."))
        return data


class OpenIdField(TextField):
    """The caller's own stable name for a person."""

    pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.strip() or _CONTROL.search(text):
            raise serializers.ValidationError(_("It must be a visible name."))
        return text


class WaitField(serializers.FloatField):
    """Seconds to hold the request open; more than the server allows is taken as its most."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_value=0,
            required=False,
            default=0,
            help_text=gettext_lazy("Seconds to wait for the result, up to the server's maximum."),
            **kwargs,
        )

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool):
            self.fail("invalid")
        return min(float(super().to_internal_value(data)), settings.DDIO_MAX_WAIT)


@extend_schema_field(
    {
        "oneOf": [
            TEXT_OF_MESSAGE,
            {
                "type": "object",
                "properties": {
                    "messageType": {"type": "integer", "enum": [TEXT_MESSAGE]},
                    "body": TEXT_OF_MESSAGE,
                },
                "required": ["body"],
            },
        ]
    }
)
class MessageField(serializers.Field[str, Any, Any, Any]):
    """A string, or DDIO's {"messageType": 2, "body": "…"}."""

    def to_internal_value(self, data: Any) -> str:
        text = self._body(data) if isinstance(data, dict) else data
        if not isinstance(text, str):
            raise serializers.ValidationError(_("It must be text."))
        if not text.strip():
            raise DdioError(44004)
        if len(text) > QUESTION_LENGTH_AT_MOST:
            raise DdioError(45002)
        if UNSTORABLE.search(text):
            raise serializers.ValidationError(_("It holds NUL or half of a surrogate pair."))
        return text

    def to_representation(self, value: str) -> str:
        return value

    @staticmethod
    def _body(data: dict[str, Any]) -> Any:
        kind = data.get("messageType", TEXT_MESSAGE)
        if kind != TEXT_MESSAGE or isinstance(kind, bool):
            raise serializers.ValidationError(_("Only text is answered: messageType 2."))
        return data.get("body", "")


class AppIdField(TextField):
    pattern = r"^fw[0-9a-f]{16}$"


class AccessTypeField(TextField):
    pattern = f"^{CLIENT}$"


class GrantTypeField(TextField):
    pattern = f"^({'|'.join(GRANT_TYPES)})$"


class TokenSerializer(serializers.Serializer[Any]):
    """appID and appSecret; what is missing or malformed gets its own code before any look-up."""

    appID = AppIdField(max_length=64)
    appSecret = TextField(max_length=256)
    accessType = AccessTypeField(required=False, default=CLIENT)

    @staticmethod
    def one_spelling(data: Any) -> dict[str, Any]:
        """DDIO writes appID, others write appId: both are taken."""
        given = dict(data)
        spelled = given.pop("appId", None)
        return given if spelled is None else {"appID": spelled} | given

    def to_internal_value(self, data: dict[str, Any]) -> dict[str, Any]:
        for name, code in (("appID", 41002), ("appSecret", 41004)):
            if data.get(name) in (None, ""):
                raise DdioError(code)
        asked: dict[str, Any] = super().to_internal_value(data)
        if asked["accessType"] != CLIENT:
            raise DdioError(40002)
        if not is_app_id(asked["appID"]):
            raise DdioError(40013)
        return asked


class WeChatTokenSerializer(serializers.Serializer[Any]):
    """The same in WeChat's words; `force_refresh` may be there and is not looked at."""

    grant_type = GrantTypeField(required=False, allow_blank=True, default="")
    appid = AppIdField(max_length=64)
    secret = TextField(max_length=256)

    def to_internal_value(self, data: dict[str, Any]) -> dict[str, Any]:
        for name, code in (("appid", 41002), ("secret", 41004)):
            if data.get(name) in (None, ""):
                raise DdioError(code)
        asked: dict[str, Any] = super().to_internal_value(data)
        if asked["grant_type"] not in GRANT_TYPES:
            raise DdioError(40002, _("This grant_type is not supported. Use client_credential."))
        if not is_app_id(asked["appid"]):
            raise DdioError(40013)
        return asked


class SendSerializer(serializers.Serializer[Any]):
    openID = OpenIdField(max_length=OPEN_ID_CHARACTERS_AT_MOST)
    message = MessageField()
    conversationID = TextField(
        max_length=64, required=False, allow_null=True, allow_blank=True, default=None
    )
    wait = WaitField()


class LimitField(serializers.IntegerField):
    """Digits of ASCII; Python would also read `１２` and `1_0`."""

    def to_internal_value(self, data: Any) -> int:
        if not _INTEGER.fullmatch(str(data)):
            self.fail("invalid")
        return int(super().to_internal_value(data))


def place_in_list(cursor: str) -> int:
    """What the cursor of a list that is numbered stands for; "" is its start."""
    if cursor and not _CURSOR.fullmatch(cursor):
        raise serializers.ValidationError(_("Use the next_cursor of an earlier page."))
    return int(cursor or 0)


class CursorField(TextField):
    pattern = r"^[0-9]{1,18}$"


class MomentField(serializers.DateTimeField):
    """RFC 3339; without an offset it is UTC, wherever the server stands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return super().to_internal_value(value)
        except OverflowError:  # the first day of year 1, or the last of 9999, somewhere else
            self.fail("invalid", format="YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]")


class FeedQuerySerializer(serializers.Serializer[Any]):
    cursor = CursorField(required=False, allow_blank=True, default="", max_length=18)
    limit = LimitField(min_value=1, max_value=PAGE_AT_MOST, required=False, default=20)
    begin = MomentField(required=False)
    end = MomentField(required=False)
    status = serializers.ChoiceField(choices=Status.choices, required=False, allow_blank=True)
    rating = serializers.ChoiceField(choices=Rating.values, required=False, allow_blank=True)
    openID = OpenIdField(max_length=OPEN_ID_CHARACTERS_AT_MOST, required=False)
    wait = WaitField()

    def validate_cursor(self, cursor: str) -> int:
        return place_in_list(cursor)


class ItemQuerySerializer(serializers.Serializer[Any]):
    wait = WaitField()


class MessageSendSerializer(serializers.Serializer[Any]):
    """A message from the number: to `receTargetID`, or to all who follow and nobody by name."""

    receTargetID = OpenIdField(
        max_length=OPEN_ID_CHARACTERS_AT_MOST,
        required=False,
        allow_null=True,
        allow_blank=True,
        default=None,
        help_text=gettext_lazy("The person's openID; leave it out where chatScene is `all`."),
    )
    messageType = serializers.ChoiceField(
        choices=[TEXT_MESSAGE],
        required=False,
        default=TEXT_MESSAGE,
        error_messages={"invalid_choice": gettext_lazy("Only text is sent: messageType 2.")},
    )
    message = MessageField()
    chatScene = serializers.ChoiceField(
        choices=[ONE_PERSON, ALL_FOLLOWERS],
        required=False,
        default=ONE_PERSON,
        help_text=gettext_lazy("`user`: to receTargetID. `all`: to everybody who follows."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        sentence = ""
        if attrs["chatScene"] == ALL_FOLLOWERS and attrs["receTargetID"]:
            sentence = _("Leave it out where chatScene is all, or name a person with user.")
        elif attrs["chatScene"] == ONE_PERSON and not attrs["receTargetID"]:
            sentence = _("Name the person's openID, or send to all with chatScene all.")
        if sentence:
            raise serializers.ValidationError({"receTargetID": [sentence]})
        return attrs


class FollowersQuerySerializer(serializers.Serializer[Any]):
    cursor = CursorField(required=False, allow_blank=True, default="", max_length=18)
    limit = LimitField(min_value=1, max_value=PAGE_AT_MOST, required=False, default=20)

    def validate_cursor(self, cursor: str) -> int:
        return place_in_list(cursor)


def idempotency_key(header: str | None) -> str:
    """The key that the header gives, "" where there is none; raises 47001 for a bad one."""
    if header is None:
        return ""
    if not _IDEMPOTENCY_KEY.fullmatch(header):
        sentence = _("It must be 1 to 255 printable ASCII characters.")
        raise DdioError(47001, fields={"Idempotency-Key": [sentence]})
    return header


class MonthField(TextField):
    """A month of this century, such as 2026-11."""

    pattern = r"^20\d{2}-(0[1-9]|1[0-2])$"

    def to_internal_value(self, data: Any) -> date:  # type: ignore[override]  # no text any more
        text = super().to_internal_value(data)
        if not _MONTH.fullmatch(text):
            raise serializers.ValidationError(_("Write a month as 2026-11."))
        return date.fromisoformat(f"{text}-01")


class UsageQuerySerializer(serializers.Serializer[Any]):
    month = MonthField(
        required=False, help_text=gettext_lazy("Of UTC, such as 2026-11. Without it: this month.")
    )
