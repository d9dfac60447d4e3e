"""`manage.py up`: the whole platform under one supervisor."""

import fcntl
import os
import shutil
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
import requests
from django.conf import settings
from django.core import checks
from django.core.management import BaseCommand, call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseFault

from portal import embedded, parts
from portal.accounts import first_administrator_link
from portal.mail import Teller
from portal.models import WorkerHeartbeat
from portal.supervisor import Supervisor, foreground

Say = Callable[[str], None]
ROOM_NEEDED = 200 * 1024 * 1024  # bytes in DATA_DIR
LOCK_PATIENCE = 3.0  # seconds: the reaper of an `up` that was killed may still be at work
PROBE_EVERY = 0.2  # seconds between two looks at what is starting
TELL_EVERY = 30.0  # seconds between two lines about what is still not ready


class CannotStartError(Exception):
    """Why the platform cannot start, in one line for the person at the terminal."""


class Command(BaseCommand):
    help = "Run the whole platform: web, worker, beat, and the embedded Valkey and model."
    requires_system_checks = ()  # run below, one line for each message

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--with-parent",
            action="store_true",
            help="stop when the process that started this one has ended, as `make up` wants",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        parent = os.getppid() if options["with_parent"] else None
        os.umask(0o077)  # what the platform writes is for its owner alone
        try:
            lock = prepare(self.say)
            with foreground():
                supervisor = Supervisor(
                    settings.DATA_DIR / "logs", self.say, lock=lock, parent=parent
                )
                with supervisor:
                    bring_up(supervisor, self.say)
                    supervisor.watch(until=Teller(settings.EMAIL_FILE_PATH, self.say))
                    self.say("stopping")
        except (CannotStartError, parts.PartMissingError) as error:
            self.stderr.write(f"cannot start: {error}")
            sys.exit(1)

    def say(self, line: str) -> None:
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            # Nobody reads any more (`up | head`, a terminal that was closed): what runs must go
            # on and stop in order, and what is still to be said must not fail at the end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)


def prepare(say: Say) -> int:
    """Everything that must hold before the first process starts; the lock on DATA_DIR.

    Raises CannotStartError.
    """
    check_system(say)
    lock = lock_data_dir(settings.DATA_DIR)
    check_room(settings.DATA_DIR)
    check_port(settings.BIND, settings.PORT)
    services = ["local_model"] if settings.LOCAL_MODEL else []
    if settings.SIMULATOR and settings.SIMULATOR_IS_EMBEDDED:
        services.append("simulator")
    if settings.REDIS_IS_EMBEDDED and not embedded.valkey_socket(settings.DATA_DIR):
        services.append("valkey")
    if embedded.replace_taken_ports(settings.DATA_DIR, services):
        # The settings of this process name the old port: begin again with fresh ones.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
    return lock


def check_system(say: Say, **which: Any) -> None:
    """Run the system checks, those that are named or all that need no database.

    Raises CannotStartError where one of them finds an error.
    """
    messages = [message for message in checks.run_checks(**which) if not message.is_silenced()]
    for message in messages:
        hint = f" ({message.hint})" if message.hint else ""
        say(f"{'error' if message.is_serious() else 'warning'}: {message.msg}{hint}")
    if any(message.is_serious() for message in messages):
        raise CannotStartError("the system checks found the errors above.")


def lock_data_dir(data_dir: Path) -> int:
    """The descriptor that holds the lock, with this process's number in the file."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStartError(f"DATA_DIR {data_dir}: {error.strerror}.") from error
    give_up_at = time.monotonic() + LOCK_PATIENCE
    while not _locked(lock):
        if time.monotonic() > give_up_at:
            holder = os.read(lock, 32).decode().strip() or "unknown"
            message = f"another `up` (process {holder}) is running with DATA_DIR {data_dir}."
            raise CannotStartError(message)
        time.sleep(0.1)
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_room(data_dir: Path) -> None:
    free = shutil.disk_usage(data_dir).free
    if free < ROOM_NEEDED:
        message = f"{free // 2**20} MB are free in DATA_DIR {data_dir}, 200 MB are needed."
        raise CannotStartError(message)


def check_port(host: str, port: int) -> None:
    reason = embedded.why_not_listen(host, port)
    if reason:
        message = f"cannot listen on {host}:{port}: {reason}. PORT and BIND choose another."
        raise CannotStartError(message)


def bring_up(supervisor: Supervisor, say: Say) -> bool:
    """Start everything in order, up to the line `ready: …`; False when asked to stop before."""
    say(f"data in {settings.DATA_DIR}, logs in {settings.DATA_DIR / 'logs'}")
    if settings.REDIS_IS_EMBEDDED:
        say("starting valkey")
        supervisor.start(parts.valkey())
        if not supervisor.watch(until=valkey_answers, every=PROBE_EVERY):
            return False
    say("preparing the database")
    prepare_database(say)
    for part in parts.others():
        say(f"starting {part.name}")
        supervisor.start(part)
    if not supervisor.watch(until=Readiness(say), every=PROBE_EVERY):
        return False
    announce(say)
    return True


def valkey_answers() -> bool:
    """Whether it serves: while it reads a long append-only file it says that it is loading."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def prepare_database(say: Say) -> None:
    """Migrations, a look at what is stored, and the demo number.

    Raises CannotStartError when the database does not serve, or needs what is not there.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
        check_system(say, tags=[checks.Tags.database], databases=[DEFAULT_DB_ALIAS])
        call_command("demo_number")
        forget_dead_workers()
    except DatabaseFault as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"the database could not be prepared: {reason}. DATABASE_URL names it."
        raise CannotStartError(message) from error
    finally:
        release_database()


def forget_dead_workers() -> None:
    """Of a database in our DATA_DIR all workers were ours, and they ended before we began."""
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite"):
        WorkerHeartbeat.objects.all().delete()


def release_database() -> None:
    """Keep no connection: this process lives as long as the platform and needs none."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)  # PostgreSQL alone has one
        if close_pool:
            close_pool()


class Readiness:
    """Asks the web process whether all is ready, and tells now and then why it is not."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._tell_at = time.monotonic() + TELL_EVERY
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and ourselves
        self._session.headers["Host"] = urlsplit(settings.SITE_URL).netloc
        self._url = probe_url(settings.BIND, settings.PORT)

    def __call__(self) -> bool:
        try:
            answer = self._session.get(self._url, timeout=(1, 2), allow_redirects=False)
            state = f"answers {answer.status_code}"
        except requests.RequestException:
            state = "does not answer"
        if state == "answers 200":
            self._session.close()
            return True
        if time.monotonic() >= self._tell_at:
            self._tell_at += TELL_EVERY
            self._say(f"not ready yet: {self._url} {state}, still trying")
        return False


def probe_url(host: str, port: int) -> str:
    """Where this machine reaches what listens on `host`, wildcards included."""
    any_ipv4, any_ipv6 = str(IPv4Address(0)), str(IPv6Address(0))
    host = {"": "127.0.0.1", any_ipv4: "127.0.0.1", any_ipv6: "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/health/ready"


def announce(say: Say) -> None:
    try:
        link = first_administrator_link()
    except DatabaseFault as error:
        say(f"the link for the first administrator could not be made: {type(error).__name__}")
        link = None
    finally:
        release_database()
    if link:
        say(f"there is no administrator yet: become the first one at {link}")
    say(f"ready: {settings.SITE_URL}")
