"""`manage.py provision`: a working service number in one command, for operators and scripts."""

import argparse
import json
import time
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError, ProgrammingError, transaction

from bots import keys, robots
from bots.models import ApiKey, KeyStatus
from bots.outbound import UrlRefused
from portal import credentials, moderation, numbers
from portal.models import ServiceNumber, State, User

VERDICT_SECONDS = 30.0
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 3.0


class Command(BaseCommand):
    help = (
        "Make (or complete) a developer, a service number, its robot and its API key, and print "
        "the credentials. Run it as often as you like: what is there already is kept."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--developer-email", required=True)
        parser.add_argument("--number-name", required=True)
        parser.add_argument(
            "--base-url",
            default=keys.LOCAL,
            help="of an OpenAI-compatible provider, or 'local' for the built-in model (default)",
        )
        parser.add_argument("--api-key", default="", help="not needed for the built-in model")
        parser.add_argument(
            "--simulator",
            action="store_true",
            help="have it answered by the simulator (sandbox); docs/simulator.md lists its models",
        )
        parser.add_argument(
            "--model",
            default="",
            help=f"default: the built-in model's name; of the simulator: {robots.SANDBOX_MODEL}",
        )
        parser.add_argument("--approve", action="store_true", help="submit and approve the number")
        parser.add_argument(
            "--new-secret", action="store_true", help="issue an appSecret, shown once"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object, nothing else"
        )

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Of the database, too: nothing is sealed with a master key that the platform has not."""
        return super().get_check_kwargs(options) | {"databases": [DEFAULT_DB_ALIAS]}

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["simulator"]:
            self._choose_simulator(options)
        elif options["base_url"] != keys.LOCAL and not options["api_key"]:
            raise CommandError("--api-key is missing: a provider of your own needs one.")
        try:
            with transaction.atomic():
                number, key, secret = self._provision(options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except (OperationalError, ProgrammingError) as error:
            sentence = "The database is not there. Run `make up` first, with the same DATA_DIR"
            raise CommandError(f"{sentence} and DATABASE_URL. ({error})") from error
        except (UrlRefused, moderation.TransitionRefused, numbers.EditRefused) as error:
            raise CommandError(str(error)) from error
        result = {
            "appId": number.app_id,
            "appSecret": secret,
            "numberId": str(number.pk),
            "keyStatus": self._verdict(key),
            "chatUrl": f"{settings.SITE_URL}/chat/{number.handle}/",
        }
        self.stdout.write(json.dumps(result) if options["json"] else self._table(result))

    @staticmethod
    def _choose_simulator(options: dict[str, Any]) -> None:
        if not settings.SIMULATOR:
            raise CommandError("The simulator is switched off here (SIMULATOR=0).")
        if options["base_url"] != keys.LOCAL or options["api_key"]:
            raise CommandError("--simulator goes without --base-url and --api-key.")
        options["base_url"] = keys.SANDBOX
        options["model"] = options["model"] or robots.SANDBOX_MODEL

    def _provision(self, options: dict[str, Any]) -> tuple[ServiceNumber, ApiKey, str | None]:
        developer = self._developer(options["developer_email"])
        number = self._number(developer, options["number_name"])
        model = options["model"] or settings.LOCAL_MODEL_NAME
        robots.save(number, {"model": model}, actor=None)
        key = keys.bind(number, options["base_url"], options["api_key"], actor=None)
        if key.status != KeyStatus.PENDING:
            keys.request_check(key)
        if options["approve"] and number.state != State.APPROVED:
            self._approve(number)
        issued = credentials.issue(number, actor=None) if options["new_secret"] else None
        return number, key, issued.clear if issued else None

    @staticmethod
    def _developer(email: str) -> User:
        """The account; a new one has no password yet, and its owner sets one by the reset mail."""
        existing = User.objects.filter(email=email.strip().lower()).first()
        if existing:
            return existing
        developer = User(email=email.strip().lower())
        developer.set_unusable_password()
        developer.full_clean()
        developer.save()
        address = {"email": developer.email, "verified": True, "primary": True}
        EmailAddress.objects.create(user=developer, **address)
        return developer

    @staticmethod
    def _number(developer: User, name: str) -> ServiceNumber:
        wanted = ServiceNumber(name=name)
        wanted.clean()
        existing = developer.numbers.filter(name_key=wanted.name_key).first()
        return existing or numbers.create(developer, name, actor=None)

    @staticmethod
    def _approve(number: ServiceNumber) -> None:
        if number.state in (State.DRAFT, State.REJECTED):
            moderation.move(number, moderation.SUBMIT, actor=None)
        step = moderation.REINSTATE if number.state == State.SUSPENDED else moderation.APPROVE
        moderation.move(number, step, actor=None)

    def _verdict(self, key: ApiKey) -> str:
        """Wait for the workers' verdict, up to 30 s; `pending` where none came."""
        deadline = time.monotonic() + VERDICT_SECONDS
        told = False
        while key.status == KeyStatus.PENDING and time.monotonic() < deadline:
            if not told and deadline - time.monotonic() < VERDICT_SECONDS - PATIENCE_SECONDS:
                self.stderr.write("waiting for a worker's verdict on the key (30 s at most) …")
                told = True
            time.sleep(POLL_SECONDS)
            key.refresh_from_db(fields=["status"])
        return key.status

    @staticmethod
    def _table(result: dict[str, str | None]) -> str:
        return "\n".join(f"{name:<10} {value or '(not issued)'}" for name, value in result.items())
