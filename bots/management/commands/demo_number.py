"""`manage.py demo_number`: make the ready-made number, where there is none yet."""

from typing import Any

from django.core.management.base import BaseCommand

from bots import demo


class Command(BaseCommand):
    help = "Make the demo number, answered by the built-in model. What is there already is kept."

    def handle(self, *_args: Any, **_options: Any) -> None:
        demo.ensure_demo_number()
