"""Stopping an answer, and rating it."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from bots.models import Status
from ddio_api.chat_serializers import CancelSerializer, RatingSerializer
from ddio_api.docs.common import COMMON, MESSAGE_ID, enveloped, errors, ok
from ddio_api.docs.feedback import EXAMPLE_ITEM, ITEM_ENVELOPE


class StoppedSerializer(serializers.Serializer[Any]):
    messageID = serializers.CharField()
    status = serializers.ChoiceField(choices=[Status.DONE, Status.FAILED, Status.CANCELLED])


CANCEL: dict[str, Any] = {
    "operation_id": "cancelAnswer",
    "summary": _("Stop an answer"),
    "description": _(
        "What was said so far is kept. An answer that is settled already stays as it is: `status`"
        " says how it ended. Cancelling twice is cancelling once."
    ),
    "request": {"application/json": CancelSerializer},
    "examples": [OpenApiExample("request", value={"messageID": MESSAGE_ID}, request_only=True)],
    "responses": {
        200: ok(
            enveloped("StoppedEnvelope", StoppedSerializer()),
            {"messageID": MESSAGE_ID, "status": "cancelled"},
            "settled",
        ),
        **errors(*COMMON, 40404, 45002),
    },
}

RATE: dict[str, Any] = {
    "operation_id": "rateAnswer",
    "summary": _("Rate an answer, or take the rating back"),
    "description": _(
        "The rating replaces an earlier one, together with its comment, and is an entry of its own"
        " in the feed; the same once more changes nothing. Where there is no answer that could be"
        " rated (not settled yet, failed, stopped before its first word, erased), `fields.rating`"
        " says so."
    ),
    "request": {"application/json": RatingSerializer},
    "examples": [
        OpenApiExample(
            "request", value={"rating": "dislike", "comment": "Too long."}, request_only=True
        )
    ],
    "responses": {
        200: ok(
            ITEM_ENVELOPE,
            EXAMPLE_ITEM | {"rating": "dislike", "comment": "Too long."},
            "the item",
        ),
        **errors(*COMMON, 40404, 45002),
    },
}
