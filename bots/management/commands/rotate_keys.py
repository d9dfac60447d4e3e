"""`manage.py rotate_keys`: seal every API key anew with the newest master key, while all runs."""

import argparse
import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from bots import master_keys, rotation
from bots.rotation import Report
from bots.vault import VaultError

REMOVING = (
    "API keys that do not open will be forgotten, and no backup of a master key brings them back.\n"
    'Type "yes" to go on: '
)


class Command(BaseCommand):
    help = (
        "Seal every API key anew with the newest master key, and tell which master keys are needed "
        "still. Everything may run meanwhile. Stopped midway, run it again: it goes on."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="change nothing, say what would be"
        )
        parser.add_argument(
            "--remove-unopened",
            action="store_true",
            help="forget the API keys that do not open: their master key is lost for good",
        )
        parser.add_argument("--no-input", action="store_true", help="ask nothing")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object, nothing else"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        dry_run, removes = options["dry_run"], options["remove_unopened"]
        asks = removes and not (dry_run or options["no_input"])
        if asks and input(REMOVING) != "yes":
            raise CommandError("Nothing was changed.")
        # What was sealed with the old one by whoever had not seen the new one would be overlooked.
        time.sleep(master_keys.seconds_until_known())
        try:
            report = rotation.rotate(dry_run=dry_run, remove_unopened=removes)
        except VaultError as error:
            raise CommandError(f"{error}.") from error
        except (OperationalError, ProgrammingError) as error:
            sentence = "The database is not there: name the same DATA_DIR and DATABASE_URL as the"
            raise CommandError(f"{sentence} platform does. ({error})") from error
        self.stdout.write(json.dumps(as_json(report)) if options["json"] else as_text(report))
        if len(report.unopened) > report.removed:
            sys.exit(1)


def as_json(report: Report) -> dict[str, Any]:
    return {
        "apiKeys": report.rows,
        "resealed": report.resealed,
        "newestAlready": report.newest_already,
        "changedMeanwhile": report.changed_meanwhile,
        "didNotOpen": [
            {"id": found.row.pk, "appId": found.row.app_id, "reason": found.fault}
            for found in report.unopened
        ],
        "removed": report.removed,
        "masterKeys": [
            {
                "fingerprint": name,
                "neededBy": report.needed[name],
                "mayBeRemoved": may_go(report, name),
            }
            for name in report.master_keys
        ],
        "missing": [
            {"fingerprint": name, "neededBy": report.needed[name]} for name in report.missing
        ],
    }


def may_go(report: Report, name: str) -> bool:
    """Whether nothing needs this master key any more. The newest seals: it stays."""
    return name != report.master_keys[0] and not report.needed[name]


def as_text(report: Report) -> str:
    counts = {
        "API keys": report.rows,
        "sealed anew": report.resealed,
        "on the newest already": report.newest_already,
        "changed meanwhile": report.changed_meanwhile,
        "did not open": len(report.unopened),
        "removed": report.removed,
    }
    lines = [f"{name:<22} {count:>7}" for name, count in counts.items()]
    lines += [f"  {found.row.pk} of {found.row.app_id}: {found.fault}" for found in report.unopened]
    lines.append("master keys, the newest first, by their fingerprints:")
    lines += [f"  {name}  {_fate(report, name)}" for name in report.master_keys]
    lines += [
        f"  {name or 'unknown':<16}  needed by {report.needed[name]} and not in the list"
        for name in report.missing
    ]
    return "\n".join(lines)


def _fate(report: Report, name: str) -> str:
    if may_go(report, name):
        return "needed by none: it may be removed from the list now"
    return f"needed by {report.needed[name]}"
