"""Calls that were charged, without anybody having called."""

from datetime import datetime

from django.utils import timezone

from bots import ledger
from bots.models import Channel, EntryState, LedgerEntry
from bots.tabs import Figures, Rate
from portal.models import ServiceNumber

RATE = Rate(2, 5)


def spend(
    number: ServiceNumber,
    prompt: int = 7,
    completion: int = 3,
    *,
    at: datetime | None = None,
    rate: Rate = RATE,
    is_estimated: bool = False,
    **fields: str,
) -> LedgerEntry:
    given = {"model": "echo", "channel": Channel.DDIO, "state": EntryState.USED} | fields
    entry = LedgerEntry.objects.create(
        number=number,
        attempt=1,
        prompt_tokens=prompt,
        completion_tokens=completion,
        is_estimated=is_estimated,
        reserved_tokens=prompt + completion,
        input_price=rate.input,
        output_price=rate.output,
        cost=rate.cost(prompt, completion),
        at=at or timezone.now(),
        settled_at=at or timezone.now(),
        **given,
    )
    if entry.state != EntryState.RESERVED:
        days = ledger.Days()
        of = ledger.Day.of(entry, entry.at, entry.model)
        days.add(of, entry.state, Figures(prompt, completion, is_estimated), entry.cost)
        days.save()
    return entry
