"""API keys that need a master key which is not there: looked for at every start.

Otherwise the first chat would find out. The commonest way to come to this is to lose `DATA_DIR` but
not the database: fresh secrets are made then, and open nothing of what was stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DatabaseError

from bots import master_keys, vault
from bots.models import ApiKey
from bots.vault import NoMasterKeyOpens, VaultError

OPENED_AT_MOST = 1_000  # of the rows that do not say what they need; it takes a tenth of a second


@dataclass(frozen=True)
class Lost:
    """So many keys of so many numbers, and the fingerprints of what they need, as far as known."""

    keys: int
    numbers: int
    master_keys: list[str]


def find() -> Lost | None:
    """One statement, and one more for rows of a release that did not mark them.

    Raises VaultError where there are no master keys to be used.
    """
    known = vault.fingerprints()
    stored = ApiKey.objects.sealed()
    marked = stored.exclude(sealed_with__in=["", *known])
    lost = list(marked.values_list("number_id", "sealed_with"))
    columns = ("number_id", "pk", "base_url", "sealed")
    unmarked = stored.filter(sealed_with="").order_by("-pk").values_list(*columns)
    lost += [(number, "") for number, *row in unmarked[:OPENED_AT_MOST] if not _opens(*row)]
    if not lost:
        return None
    numbers, names = zip(*lost, strict=True)
    return Lost(len(lost), len(set(numbers)), sorted({name for name in names if name}))


def _opens(key_id: str, base_url: str, sealed: str) -> bool:
    """Whether its master key is there; another place than it was made for is another trouble."""
    try:
        vault.sealed_with(sealed, row_id=key_id, base_url=base_url)
    except NoMasterKeyOpens:
        return False
    except VaultError:
        return True
    return True


def master_keys_are_there(
    databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """A check of the database: asked at a start, and by `manage.py check --database default`."""
    if not databases:
        return []
    try:
        lost = find()
    except (VaultError, DatabaseError):  # said elsewhere; or the database is not made yet
        return []
    return [Error(_sentence(lost), hint=_mend(), id="bots.E005")] if lost else []


def _sentence(lost: Lost) -> str:
    names = f" ({', '.join(lost.master_keys)})" if lost.master_keys else ""
    which = f"{_counted(lost.keys, 'API key')} of {_counted(lost.numbers, 'service number')}"
    return f"{master_keys.variable()} lacks the master key{names} that opens {which}."


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _mend() -> str:
    kept = settings.DATA_DIR / "secrets.json"
    return (
        "Put it back into the list, behind the newest. Where the environment names no list, it was"
        f" in {kept}: restore that file from a backup. If it is lost for good,"
        " `manage.py rotate_keys --remove-unopened` forgets those API keys, and their owners bind"
        " them again."
    )
