"""What the web server serves: `granian --interface asgi portal.asgi:application`."""

import os
import sys

import django
from django.core import checks
from django.core.handlers.wsgi import WSGIHandler

from portal.bridge import Bridge


def refuse_to_start_misconfigured() -> None:
    """Exit with one line for each system check error, before a request could meet it."""
    found = [message for message in checks.run_checks() if message.is_serious(checks.ERROR)]
    errors = [message for message in found if not message.is_silenced()]
    for error in errors:
        hint = f" ({error.hint})" if error.hint else ""
        sys.stderr.write(f"{error.id or 'error'}: {error.msg}{hint}\n")
    if errors:
        sys.stderr.write("The web process does not start until this is mended.\n")
        sys.exit(1)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()
refuse_to_start_misconfigured()
application = Bridge(WSGIHandler())
