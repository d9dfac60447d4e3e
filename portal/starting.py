"""What every process asks before it takes work: is all as it must be, in settings and database?"""

import sys

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections

from portal.supervisor import GIVES_UP


def refuse_misconfigured(name: str) -> None:
    """Exit with one line for each system check error, before anybody could meet it.

    A database that is away is none: whoever needs it waits for it.
    """
    try:
        found = checks.run_checks(databases=[DEFAULT_DB_ALIAS])
    finally:
        connections.close_all()
    errors = [each for each in found if each.is_serious() and not each.is_silenced()]
    for error in errors:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"{error.id or 'error'}: {error.msg}{hint}\n")
    if errors:
        sys.stderr.write(f"The {name} does not start until this is mended.\n")
        sys.exit(GIVES_UP)
