"""Where the embedded services listen, and the secrets of an installation that names none.

Everything here lives in `DATA_DIR`, is made at the first start and is kept from then on. All
processes of an installation read the same files, so a second shell (`manage.py provision`) finds
the running platform without being told its addresses.
"""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

LAST_PORT = 65535
UNIX_SOCKET_PATH_LIMIT = 100  # the kernel's is 108 on Linux and 104 on macOS


def _write_private(path: Path, content: dict[str, Any], *, replace: bool = False) -> None:
    """Write the file whole or not at all, readable by its owner only.

    The first writer wins, unless the file is to be replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    if replace:
        draft.replace(path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _keep(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """What the file holds, made at the first call.

    Raises SystemExit with one clear line where that cannot be: every process reads these files
    while it loads its settings, and one that went on with secrets of its own would write what
    the others can never decrypt.
    """
    try:
        if not path.exists():
            _write_private(path, fresh)
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if fresh.keys() - kept.keys():
            kept = _complete(path, fresh)
    except OSError as error:
        raise SystemExit(f"DATA_DIR cannot be used: {path}: {error.strerror}") from error
    except ValueError as error:
        raise SystemExit(f"{path} is damaged (not JSON): restore it from a backup") from error
    return kept


def _complete(path: Path, fresh: dict[str, Any]) -> dict[str, Any]:
    """Add what the release that made the file did not keep, one process at a time."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if fresh.keys() - kept.keys():
            kept = fresh | kept
            _write_private(path, kept, replace=True)
    finally:
        os.close(directory)
    return kept


def installation_secrets(data_dir: Path) -> dict[str, Any]:
    """The secrets that the environment may leave out, made once and kept with mode 600."""
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "TOKEN_SIGNING_KEYS": [secrets.token_urlsafe(32)],
        "API_KEY_ENCRYPTION_KEYS": [Fernet.generate_key().decode()],
        "VALKEY_PASSWORD": secrets.token_urlsafe(24),
        "LOCAL_MODEL_API_KEY": "sk-local-" + secrets.token_urlsafe(24),
        "SIMULATOR_API_KEY": "sk-simulator-" + secrets.token_urlsafe(24),
    }
    return _keep(data_dir / "secrets.json", fresh)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def why_not_listen(host: str, port: int) -> str:
    """Why nothing can listen there, in the system's words; empty where something can."""
    if port > LAST_PORT:  # getaddrinfo would quietly take the remainder
        return f"a port is a number up to {LAST_PORT}"
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _name, where = address[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do: a connection in TIME_WAIT is no reason to refuse.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def ports(data_dir: Path) -> dict[str, int]:
    """The loopback ports of the embedded services: chosen once, so that addresses stay valid."""
    fresh = {name: free_port() for name in ("valkey", "local_model", "simulator")}
    return _keep(data_dir / "ports.json", fresh)


def replace_taken_ports(data_dir: Path, services: Iterable[str]) -> bool:
    """Choose another port for each of these services whose port a stranger holds by now.

    True where one was replaced: settings that were read before then name the old port. Only
    for the moment before the services start, when nobody but a stranger can hold their ports.
    """
    kept = ports(data_dir)
    taken = [name for name in services if why_not_listen("127.0.0.1", kept[name])]
    if taken:
        fresh = kept | {name: free_port() for name in taken}
        _write_private(data_dir / "ports.json", fresh, replace=True)
    return bool(taken)


def valkey_socket(data_dir: Path) -> Path | None:
    """The private Unix socket, or None where DATA_DIR is too long a path for one."""
    path = data_dir / "valkey.sock"
    return path if len(str(path)) < UNIX_SOCKET_PATH_LIMIT else None


def valkey_url(data_dir: Path) -> str:
    path = valkey_socket(data_dir)
    if path:
        return f"unix://{path}?db=0"
    password = installation_secrets(data_dir)["VALKEY_PASSWORD"]
    return f"redis://:{password}@127.0.0.1:{ports(data_dir)['valkey']}/0"


def broker_url(redis_url: str) -> str:
    """The same server in Celery's words: kombu spells a Unix socket differently."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        database = query.removeprefix("db=") or "0"
        return f"redis+socket://{path}?virtual_host={database}"
    return redis_url


def local_model_url(data_dir: Path) -> str:
    return f"http://127.0.0.1:{ports(data_dir)['local_model']}/v1"


def simulator_url(data_dir: Path) -> str:
    return f"http://127.0.0.1:{ports(data_dir)['simulator']}/v1"
