"""The feed as DRF's own parts make it: CursorPagination and a ModelSerializer of the same item."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination

from bots import faults
from bots.models import FeedEntry
from ddio_api.base import DdioView
from ddio_api.views.feedback import FeedView
from portal.models import ServiceNumber


class ItemSerializer(serializers.ModelSerializer[FeedEntry]):
    """The fields of the contract's answer item."""

    messageID = serializers.CharField(source="message_id")
    conversationID = serializers.CharField(source="message.conversation_id")
    openID = serializers.CharField(source="person.open_id")
    channel = serializers.CharField(source="message.channel")
    question = serializers.CharField(source="message.question")
    answer = serializers.CharField(source="message.answer")
    model = serializers.CharField(source="message.model")
    status = serializers.CharField(source="message.status")
    error = serializers.SerializerMethodField()
    rating = serializers.CharField(source="message.rating")
    comment = serializers.CharField(source="message.comment")
    askedAt = serializers.DateTimeField(source="message.asked_at")
    answeredAt = serializers.DateTimeField(source="message.answered_at")
    latencyMs = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()

    class Meta:
        model = FeedEntry
        fields = [
            *["kind", "messageID", "conversationID", "openID", "channel", "question", "answer"],
            *["model", "status", "error", "rating", "comment", "askedAt", "answeredAt"],
            *["latencyMs", "usage", "seq"],
        ]

    def get_error(self, entry: FeedEntry) -> dict[str, Any] | None:
        code = entry.message.error_code
        return code and {"code": code, "msg": str(faults.FAULTS[code].message)}

    def get_latencyMs(self, entry: FeedEntry) -> int:  # noqa: N802 - DRF's way of naming
        message = entry.message
        return round((message.answered_at - message.asked_at).total_seconds() * 1000)

    def get_usage(self, entry: FeedEntry) -> dict[str, int]:
        prompt, completion = entry.message.prompt_tokens, entry.message.completion_tokens
        whole = prompt + completion
        return {"promptTokens": prompt, "completionTokens": completion, "totalTokens": whole}


class BySeq(CursorPagination):
    ordering = "seq"
    page_size = 20


class DrfFeedView(DdioView, ListAPIView):
    """In the frame of our own views: the same authentication, limits, renderer."""

    serializer_class = ItemSerializer
    pagination_class = BySeq
    schema = None

    def get_queryset(self) -> QuerySet[FeedEntry]:
        rows = FeedEntry.objects.filter(number=self.number)
        return rows.select_related("message", "person")


class Open(DdioView):
    """Without authentication and limit: the number is named by a header."""

    authentication_classes = []
    permission_classes = []
    schema = None

    @property
    def number(self) -> ServiceNumber:
        return ServiceNumber(pk=int(self.request.headers["X-Number"]))


class OpenFeedView(Open, FeedView):
    pass


class OpenDrfFeedView(Open, DrfFeedView):
    pass
