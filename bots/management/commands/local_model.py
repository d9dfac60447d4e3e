"""`manage.py local_model`: serve the model that ships with the platform, until a signal."""

import signal
from typing import Any

from django.core.management import BaseCommand, CommandError

from bots import local_model


class Command(BaseCommand):
    help = "Serve the local model on the loopback address that the platform expects."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        # The server's native threads hold nothing worth saving: a signal ends it at once.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        try:
            server = local_model.start()
        except local_model.LocalModelError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"serving at {server.listening_address}")
        signal.pause()
