"""What callers may send about conversations that are there already."""

import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import serializers

from bots.conversations import PAGE_AT_MOST
from bots.models import Rating
from bots.ratings import COMMENT_LENGTH_AT_MOST
from ddio_api.serializers import OPEN_ID_CHARACTERS_AT_MOST, LimitField, OpenIdField, TextField

_CONVERSATION = re.compile("conv_[0-9a-hjkmnp-tv-z]{26}")
_POSITION = re.compile(r"\d{1,9}", re.ASCII)


class CancelSerializer(serializers.Serializer[Any]):
    messageID = TextField()


class RatingSerializer(serializers.Serializer[Any]):
    rating = serializers.ChoiceField(
        choices=Rating.values, allow_null=True, help_text=gettext_lazy("`null` takes it back.")
    )
    comment = TextField(
        max_length=COMMENT_LENGTH_AT_MOST,
        required=False,
        allow_blank=True,
        allow_null=True,
        default="",
        help_text=gettext_lazy("Why it was rated so. Without a rating no comment is kept."),
    )


class _ConversationField(TextField):
    pattern = f"^{_CONVERSATION.pattern}$"


class _PositionField(TextField):
    pattern = r"^[0-9]{1,9}$"


class _PageSerializer(serializers.Serializer[Any]):
    limit = LimitField(min_value=1, max_value=PAGE_AT_MOST, required=False, default=20)


class ConversationsQuerySerializer(_PageSerializer):
    cursor = _ConversationField(required=False, allow_blank=True, default="", max_length=40)
    openID = OpenIdField(max_length=OPEN_ID_CHARACTERS_AT_MOST, required=False)

    def validate_cursor(self, cursor: str) -> str:
        if cursor and not _CONVERSATION.fullmatch(cursor):
            raise serializers.ValidationError(_("Use the next_cursor of an earlier page."))
        return cursor


class MessagesQuerySerializer(_PageSerializer):
    cursor = _PositionField(required=False, allow_blank=True, default="", max_length=9)

    def validate_cursor(self, cursor: str) -> int:
        if cursor and not _POSITION.fullmatch(cursor):
            raise serializers.ValidationError(_("Use the next_cursor of an earlier page."))
        return int(cursor or 0)
