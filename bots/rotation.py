"""Sealing the API keys anew with the newest master key, while everything runs.

Nobody ever reads a row that does not open: it changes in one statement, which names the ciphertext
that it replaces, so that an edit meanwhile wins. Killed midway it is run again, and leaves alone
what is sealed with the newest already. Each row is opened, whatever its mark says: what an older
release sealed, before the upgrade or beside us, has none or an old one.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count

from bots import keys, vault
from bots.models import ApiKey
from bots.vault import Sealed, VaultError
from portal import statements
from portal.models import ServiceNumber

BATCH = 100  # rows; on SQLite one transaction


class Row(NamedTuple):
    """A key's row as it was read."""

    pk: str
    number_id: int
    app_id: str
    base_url: str
    sealed: str
    sealed_with: str


@dataclass(frozen=True)
class Found:
    """`needs`: the master key's fingerprint. `wanted`: what should stand there.

    Where it does not open, the mark is what it needs, nothing is wanted, and `fault` says why.
    """

    row: Row
    needs: str
    wanted: Sealed | None
    fault: str = ""


@dataclass
class Report:
    """`master_keys`: fingerprints, the newest first. `needed`: API keys by what they need."""

    master_keys: list[str]
    resealed: int = 0
    newest_already: int = 0
    changed_meanwhile: int = 0
    removed: int = 0
    unopened: list[Found] = field(default_factory=list)
    needed: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        seen = self.resealed + self.newest_already + self.changed_meanwhile
        return seen + len(self.unopened)

    @property
    def missing(self) -> list[str]:
        """Fingerprints of what is needed and not there; blank for rows without a mark."""
        return sorted(set(self.needed) - set(self.master_keys))

    def count(self, found: Found, *, is_written: bool) -> None:
        if not found.wanted:
            self.unopened.append(found)
        elif not is_written:
            self.changed_meanwhile += 1
        elif found.wanted.ciphertext == found.row.sealed:
            self.newest_already += 1
        else:
            self.resealed += 1


def rotate(*, dry_run: bool = False, remove_unopened: bool = False) -> Report:
    """Seal anew what is not sealed with the newest master key; `dry_run`: only say what would be.

    Raises VaultError where there are no master keys to be used.
    """
    report = Report(vault.fingerprints())
    for rows in _batches():
        found = [_look(row, report.master_keys[0]) for row in rows]
        lost = set() if dry_run else _write(found)
        for each in found:
            report.count(each, is_written=each.row.pk not in lost)
            if remove_unopened and not (each.wanted or dry_run):
                report.removed += _remove(each.row)
        if dry_run:
            report.needed.update(each.needs for each in found)
    if not dry_run:
        report.needed = needed()
    return report


def needed() -> Counter[str]:
    """How many API keys need each of the master keys, by what their rows say: one statement."""
    counted = ApiKey.objects.sealed().values_list("sealed_with").annotate(Count("pk"))
    return Counter(dict(counted))


def _batches() -> Iterator[list[Row]]:
    """All rows with a ciphertext by their ids, so that those bound meanwhile come last."""
    columns = ("pk", "number_id", "number__app_id", "base_url", "sealed", "sealed_with")
    rows = ApiKey.objects.sealed().order_by("pk").values_list(*columns)
    after = ""
    while batch := [Row(*values) for values in rows.filter(pk__gt=after)[:BATCH]]:
        yield batch
        after = batch[-1].pk


def _look(row: Row, newest: str) -> Found:
    place = {"row_id": row.pk, "base_url": row.base_url}
    try:
        needs = vault.sealed_with(row.sealed, **place)
        is_newest = needs == newest
        wanted = Sealed(row.sealed, needs) if is_newest else vault.reseal(row.sealed, **place)
    except VaultError as fault:
        return Found(row, row.sealed_with, None, str(fault))
    return Found(row, needs, wanted)


def _write(found: list[Found]) -> set[str]:
    """The ids of those that were changed meanwhile, and stay so.

    Each is a transaction by itself; on SQLite all are one, and it is a short one.
    """
    changes = [(each.row, each.wanted) for each in found if each.wanted]
    changes = [(row, wanted) for row, wanted in changes if wanted != (row.sealed, row.sealed_with)]
    if not changes:
        return set()
    with statements.turn():
        return {row.pk for row, wanted in changes if not _replace(row, wanted)}


def _replace(row: Row, wanted: Sealed) -> bool:
    """Whether what was read was still there to be replaced."""
    here = ApiKey.objects.filter(pk=row.pk, sealed=row.sealed)
    return bool(here.update(sealed=wanted.ciphertext, sealed_with=wanted.sealed_with))


def _remove(row: Row) -> int:
    """Forget a key that does not open, as its owner would; 0 where it was changed meanwhile."""
    with transaction.atomic():
        ServiceNumber.objects.locked(row.number_id)
        unchanged = ApiKey.objects.filter(pk=row.pk, sealed=row.sealed)
        key = unchanged.select_related("number").first()
        if key:
            keys.remove(key, actor=None, because="it does not open")
    return 1 if key else 0
