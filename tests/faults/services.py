"""Servers of a run's own, on ports and in directories of their own: to be stopped and starved.

Each has `start`, `stop` (kill -9, unless another signal is named), `freeze` and `thaw` (SIGSTOP and
SIGCONT for all its processes) and `restart`; a Valkey can also be flushed and filled.
"""

import getpass
import glob
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg
import redis
from kombu import Connection
from kombu.exceptions import OperationalError

from portal import embedded, parts
from portal.embedded import free_port
from tests.platform import Platform, wait_for

START_SECONDS = 60
SERVERS = ("valkey-server", "redis-server")
FILLING = b"x" * 10_000


def family(pid: int) -> list[psutil.Process]:
    """The process and all that descend from it."""
    head = psutil.Process(pid)
    return [head, *head.children(recursive=True)]


def signalled(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


class Service:
    """A server process of our own. Subclasses say how it is started and whether it serves."""

    url: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str] | None:
        return None

    def serves(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it serves."""
        with (self.directory / "service.log").open("ab") as output:
            self.process = self._popen(output)
        wait_for(self.serves, START_SECONDS, f"the start of {type(self).__name__}")

    def _popen(self, output: IO[bytes], **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command(),
            cwd=self.directory,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **options,
        )

    def stop(self, how: int = signal.SIGKILL) -> None:
        """Does nothing where it is stopped already."""
        if not self.process or self.process.poll() is not None:
            return
        processes = family(self.process.pid)
        signalled(processes if how == signal.SIGKILL else processes[:1], how)
        self.process.wait(timeout=START_SECONDS)
        psutil.wait_procs(processes[1:], timeout=START_SECONDS)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It hangs: connections are kept and taken, nothing is answered."""
        assert self.process
        signalled(family(self.process.pid), signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        signalled(family(self.process.pid), signal.SIGCONT)


class Memory:
    """What only a Valkey or Redis can: be emptied, and be full."""

    url: str

    @property
    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def serves(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        self.client.flushall()

    def fill(self) -> None:
        """Fill it until it refuses to write (`noeviction`)."""
        client = self.client
        used = int(client.info("memory")["used_memory"])  # type: ignore[index]
        client.config_set("maxmemory", used + 100 * len(FILLING))
        try:
            for number in range(1000):
                client.set(f"filling:{number}", FILLING)
        except redis.exceptions.OutOfMemoryError:
            client.config_set("maxmemory", 1)  # not even for the smallest of values is there room
            return
        raise AssertionError("it does not get full")

    def make_room(self) -> None:
        client = self.client
        client.config_set("maxmemory", 0)
        for key in client.scan_iter("filling:*"):
            client.delete(key)


class OwnMemory(Memory, Service):
    """A Redis where there is one, or else a Valkey, configured as for an installation."""

    def __init__(self, directory: Path, server: str = "") -> None:
        super().__init__(directory)
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._server = server or shutil.which("redis-server") or parts._valkey_server()

    def command(self) -> list[str]:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        return [self._server, *where, "--appendonly", "yes", "--maxmemory-policy", "noeviction"]


class EmbeddedMemory(Memory):
    """The Valkey that belongs to the platform, which its supervisor starts again when it dies.

    That it stays away takes a supervisor that does not: until `start` the supervisor is frozen, and
    nothing else that dies is started again either.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.url = embedded.valkey_url(platform.data_dir)

    @property
    def _process(self) -> psutil.Process:
        """Its command line is no help: the server writes its address there."""
        for process in self._platform.processes():
            if process.name() in SERVERS and process.status() != psutil.STATUS_ZOMBIE:
                return process
        raise LookupError("no Valkey among the children")

    def stop(self, how: int = signal.SIGKILL) -> None:
        assert self._platform.process
        self._platform.process.send_signal(signal.SIGSTOP)
        self._process.send_signal(how)
        wait_for(lambda: not self.serves(), what="the end of Valkey")

    def start(self) -> None:
        assert self._platform.process
        self._platform.process.send_signal(signal.SIGCONT)
        wait_for(self.serves, START_SECONDS, "the start of Valkey")

    def restart(self) -> None:
        """Kill it; that it comes back is its supervisor's work."""
        self._process.kill()
        wait_for(lambda: not self.serves(), what="the end of Valkey")
        wait_for(self.serves, START_SECONDS, what="Valkey's return")

    def freeze(self) -> None:
        self._process.suspend()

    def thaw(self) -> None:
        self._process.resume()


class OwnPostgresql(Service):
    """A cluster of one database, owned by the user `postgres` where the run is root's.

    PostgreSQL refuses to run as root, and a test's directory is for its owner alone: hence a
    directory elsewhere, until `remove`.
    """

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="fuwuhao-postgresql-")))
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        else:
            self._user = {}
        made = [_postgresql("initdb"), "-D", str(self.data), "-U", "postgres", "--no-sync"]
        subprocess.run(
            [*made, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"],
            cwd=self.directory,
            check=True,
            capture_output=True,
            **self._user,  # type: ignore[call-overload]
        )

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def command(self) -> list[str]:
        where = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", ""]
        return [_postgresql("postgres"), "-D", str(self.data), *where, "-c", "max_connections=200"]

    def _popen(self, output: IO[bytes], **options: Any) -> subprocess.Popen[bytes]:
        return super()._popen(output, **options, **self._user)

    def serves(self) -> bool:
        address = self.url.replace("postgres://", "postgresql://")
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)


def _postgresql(program: str) -> str:
    """Debian keeps the server's programs out of the path."""
    found = shutil.which(program) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{program}"))
    return str(found)


class OwnRabbitmq(Service):
    """A node of its own, without plugins and without the machine's configuration."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._node_port = free_port()
        (directory / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\n")
        (directory / "plugins").write_text("[].\n")

    def command(self) -> list[str]:
        # Not Debian's wrapper, which becomes the user of the machine's own node.
        direct = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        return [direct if Path(direct).exists() else "rabbitmq-server"]

    def environment(self) -> dict[str, str]:
        here = str(self.directory)
        return {
            "PATH": os.environ["PATH"],
            "HOME": here,
            "USER": getpass.getuser(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"fuwuhao-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia",
            "RABBITMQ_LOG_BASE": f"{here}/log",
            "RABBITMQ_CONFIG_FILE": f"{here}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/plugins",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        }

    def serves(self) -> bool:
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, timeout=2)
        except (OperationalError, OSError):
            return False
        return True
