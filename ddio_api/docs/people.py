"""The people who talk with a number."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from ddio_api.docs.common import COMMON, enveloped, errors, ok


class ErasedSerializer(serializers.Serializer[Any]):
    """What this call has erased."""

    openID = serializers.CharField()
    conversations = serializers.IntegerField()
    messages = serializers.IntegerField()


ERASE: dict[str, Any] = {
    "operation_id": "erasePerson",
    "summary": _("Erase a person's conversations"),
    "description": _(
        "What waits for an answer is cancelled. Questions, answers, comments and titles are removed"
        " for good, and the conversations are no longer listed. In the feed each entry keeps its"
        " place, without words: `question` and `answer` are null and `erased` is true. The next"
        " question of the same openID begins a new conversation. Idempotency keys of what was"
        " erased are free again. Erasing again erases what came since, and otherwise nothing."
    ),
    "parameters": [
        OpenApiParameter(
            "open_id",
            OpenApiTypes.STR,
            OpenApiParameter.PATH,
            description=_("The openID, percent-encoded; a slash in it may stay as it is."),
        )
    ],
    "responses": {
        200: ok(
            enveloped("ErasedEnvelope", ErasedSerializer()),
            {"openID": "alice", "conversations": 2, "messages": 17},
            "erased",
        ),
        **errors(*COMMON, 40003, 48001),
    },
}
