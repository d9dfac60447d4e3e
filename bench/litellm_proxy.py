"""LiteLLM's proxy, the model provider's door that others put in front: how it is had and run.

As its documentation has it for production: a configuration file, a master key, one worker, its
errors alone in the log. No database, no cache, no callbacks: it queues and stores nothing. It is no
dependency of ours: it gets an environment of its own in var/bench at the first run.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench import stage
from bench.stage import Site
from portal.embedded import free_port
from portal.environment import BASE_DIR

HOME = BASE_DIR / "var" / "bench" / "litellm-1.106.2"
# Without opentelemetry-sdk it tries an import anew on each request.
PACKAGES = ["litellm[proxy]==1.106.2", "opentelemetry-sdk"]
KEY = "sk-bench-1234567890"
READY_SECONDS = 120.0
PATH = "/v1/chat/completions"


def install(home: Path, packages: list[str]) -> None:
    """Put the packages into an environment of their own, unless it is there."""
    if (home / "installed").exists():
        return
    print(f"installing {packages[0]} into {home}")
    python = home / "bin" / "python"
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
        command = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, *packages], check=True)
    (home / "installed").touch()


def _configuration(upstream_url: str, model: str) -> str:
    """Its YAML, of which JSON is a part."""
    to = {"model": f"openai/{model}", "api_base": upstream_url, "api_key": "sk-good-1234567890"}
    return json.dumps(
        {
            "model_list": [{"model_name": model, "litellm_params": to}],
            "litellm_settings": {"set_verbose": False, "telemetry": False},
            "general_settings": {"master_key": KEY},
        }
    )


@contextmanager
def serving(upstream_url: str, model: str) -> Iterator[Site]:
    install(HOME, PACKAGES)
    port = free_port()
    file = Path(os.environ["DATA_DIR"]) / "litellm.yaml"
    file.write_text(_configuration(upstream_url, model))
    own = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    own |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True", "DISABLE_ADMIN_UI": "True"}
    command = ["env", "--unset", "DATABASE_URL", str(HOME / "bin" / "litellm")]
    command += ["--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    with stage.running(command, own) as pid:
        stage.wait_until_it_answers(port, pid, READY_SECONDS)
        yield Site(port, psutil.Process(pid))
