"""Raw upkeep of robots and conversations, to look at only.

Of a key neither the ciphertext nor the mask. Of conversations and news who, when and how it ended,
never what was said: keeping the machine running takes no reading of people's messages.
"""

from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from bots.models import (
    ApiKey,
    Budget,
    Conversation,
    Follower,
    KeyVerdict,
    LedgerEntry,
    Message,
    News,
    Person,
    Price,
    Robot,
)
from portal.admin import ReadOnlyAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("id", "label", "host", "number", "status", "checked_at", "removed_at")
    list_filter = ("status",)
    list_select_related = ("number",)
    search_fields = ("=id", "label", "=number__app_id")
    fields = (
        "id",
        "number",
        "label",
        "is_local",
        "is_sandbox",
        "host",
        "status",
        "checked_at",
        "priority",
        "created_at",
        "removed_at",
    )

    @admin.display(description=_("host"))
    def host(self, key: ApiKey) -> str:
        return urlsplit(key.base_url).hostname or ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).defer("sealed", "mask")


@admin.register(KeyVerdict)
class KeyVerdictAdmin(ReadOnlyAdmin):
    list_display = ("key", "status", "at")
    list_filter = ("status",)
    list_select_related = ("key",)
    search_fields = ("=key__id",)
    fields = ("key", "status", "at", "evidence")


@admin.register(Robot)
class RobotAdmin(ReadOnlyAdmin):
    list_display = ("number", "model", "guests_allowed")
    list_select_related = ("number",)
    search_fields = ("=number__app_id", "number__name", "model")
    fields = (
        "number",
        "model",
        "system_prompt",
        "temperature",
        "greeting",
        "suggested_questions",
        "guests_allowed",
        "context_tokens",
        "answer_tokens",
    )


@admin.register(Person)
class PersonAdmin(ReadOnlyAdmin):
    list_display = ("open_id", "number", "user", "created_at")
    list_select_related = ("number", "user")
    search_fields = ("=open_id", "=number__app_id")
    fields = ("open_id", "number", "user", "created_at")


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin):
    list_display = ("id", "number", "person", "channel", "length", "last_at")
    list_filter = ("channel",)
    list_select_related = ("number", "person")
    search_fields = ("=id", "=number__app_id", "=person__open_id")
    fields = (
        "id",
        "number",
        "person",
        "channel",
        "length",
        "started_at",
        "last_at",
        "closed_at",
        "erased_at",
        "emptied_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).defer("title")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    list_display = ("id", "number", "channel", "status", "error_code", "asked_at", "answered_at")
    list_filter = ("status", "channel")
    list_select_related = ("number",)
    search_fields = ("=id", "=number__app_id", "=person__open_id", "=conversation__id")
    fields = (
        "id",
        "number",
        "person",
        "conversation",
        "position",
        "channel",
        "status",
        "error_code",
        "model",
        "rating",
        "asked_at",
        "answered_at",
        "prompt_tokens",
        "completion_tokens",
        "seq",
        "erased_at",
        "attempt",
        "claimed_by",
        "lease_until",
        "next_attempt_at",
        "due_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).defer("question", "answer", "comment")


@admin.register(Follower)
class FollowerAdmin(ReadOnlyAdmin):
    list_display = ("person", "number", "since")
    list_select_related = ("number", "person")
    search_fields = ("=person__open_id", "=number__app_id")
    fields = ("person", "number", "seq", "since")


@admin.register(News)
class NewsAdmin(ReadOnlyAdmin):
    list_display = ("id", "number", "person", "accepted", "at")
    list_select_related = ("number", "person")
    search_fields = ("=id", "=number__app_id", "=person__open_id")
    fields = ("id", "number", "person", "seq", "accepted", "at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[News]:
        return super().get_queryset(request).defer("text")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("id", "number", "model", "state", "prompt_tokens", "completion_tokens", "at")
    list_filter = ("state", "channel")
    list_select_related = ("number",)
    search_fields = ("=message__id", "=number__app_id")
    fields = (
        "id",
        "number",
        "message",
        "attempt",
        "call",
        "api_key",
        "model",
        "channel",
        "state",
        "prompt_tokens",
        "completion_tokens",
        "is_estimated",
        "reserved_tokens",
        "input_price",
        "output_price",
        "cost",
        "at",
        "settled_at",
    )


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    list_display = ("number", "tokens", "micros", "person_asks", "person_tokens")
    list_select_related = ("number",)
    search_fields = ("=number__app_id",)
    fields = (
        "number",
        "tokens",
        "micros",
        "person_asks",
        "person_tokens",
        "warned_month",
        "warned_percent",
    )


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    list_display = ("number", "model", "input", "output")
    list_select_related = ("number",)
    search_fields = ("=number__app_id", "=model")
    fields = ("number", "model", "input", "output")
