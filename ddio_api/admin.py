"""The call log for operators, to look at only: the calls of nobody known, too, and the gaps."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator

from ddio_api.models import Call, Gap
from portal.admin import ReadOnlyAdmin

COUNTED_AT_MOST = 10_000


class BriefPaginator(Paginator):
    """Counts the newest rows alone: a log of millions is searched, not paged through."""

    @cached_property
    def count(self) -> int:
        newest: Any = self.object_list[:COUNTED_AT_MOST]
        return int(newest.count())


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    list_display = ("at", "number", "method", "operation", "status", "code", "address")
    list_select_related = ("number",)
    search_fields = ("request_id__exact",)
    paginator = BriefPaginator
    fields = (
        "at",
        "number",
        "door",
        "operation",
        "method",
        "status",
        "code",
        "outcome",
        "duration_ms",
        "address",
        "request_id",
    )


@admin.register(Gap)
class GapAdmin(ReadOnlyAdmin):
    """How many calls could not be recorded."""

    list_display = ("began", "ended", "calls")
    fields = list_display
