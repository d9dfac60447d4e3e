"""`manage.py first_administrator`: the one-time link, where `manage.py up` does not print it."""

from typing import Any

from django.core.management.base import BaseCommand

from portal import accounts


class Command(BaseCommand):
    help = "Print the link that makes the first administrator; it works until there is one."

    def handle(self, *_args: Any, **_options: Any) -> None:
        link = accounts.first_administrator_link()
        self.stdout.write(link or "There is an administrator already.")
