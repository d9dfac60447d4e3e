"""`manage.py simulator`: a provider of one's own that answers, dawdles or breaks as asked."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from bots.simulator import __main__ as simulator


class Command(BaseCommand):
    help = (
        "Serve an OpenAI-compatible provider in which the name of the model chooses what happens: "
        "to test an integration without a key. docs/simulator.md lists the names."
    )
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        simulator.add_arguments(parser)

    def handle(self, *_args: Any, **options: Any) -> None:
        simulator.main(argparse.Namespace(**options))
