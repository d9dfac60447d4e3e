"""The token door beside django-oauth-toolkit's: `python -m bench.tokens` (a minute).

Both are asked for a token with client credentials, in turns, on the same server (Granian, one
process, the same number of threads) and the same PostgreSQL. The toolkit gets its best: its secret
is stored unhashed, there is no middleware in front of it, its connections stay open, and the faster
one of Granian's WSGI and our bridge counts. It is no dependency of ours: it is installed into
var/bench at the first run. The third contestant is a view that does nothing, under our middleware.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench import stage
from bench.shares import asking, microseconds, show
from bench.stage import ASGI, COMMON, THREADS, Call, Goals, Site, serving
from portal.environment import BASE_DIR
from tests import factories

TOOLKIT = BASE_DIR / "var" / "bench" / "django-oauth-toolkit-3.4"
# Without what it asks for beyond these: Django and cryptography are here already.
PACKAGES = ["django-oauth-toolkit==3.4.*", "oauthlib==4.*", "jwcrypto==1.*"]
WSGI = [*COMMON, "--interface", "wsgi", "--blocking-threads", THREADS, "--factory"]
WSGI += ["django.core.wsgi:get_wsgi_application"]
BRIDGED = [*COMMON, "--interface", "asgi", "bench.toolkit_asgi:application"]
ROUNDS, SECONDS = 8, 1.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def install_toolkit() -> None:
    if TOOLKIT.exists():
        return
    print(f"installing {PACKAGES[0]} into {TOOLKIT}")
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--target", str(TOOLKIT), *PACKAGES], check=True)


@contextmanager
def toolkit() -> Iterator[tuple[dict[str, str], Call]]:
    """Its environment, with a database of its own, and the request for a token."""
    client_secret = secrets.token_urlsafe(32)
    with stage.database(f"fuwuhao_bench_{secrets.token_hex(4)}") as url:
        own = {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "bench.toolkit_settings",
            "PYTHONPATH": f"{BASE_DIR}:{TOOLKIT}",
        }
        _manage(own, "migrate", "--verbosity", "0")
        names = ["--client-id", "bench", "--client-secret", client_secret]
        grant = ["confidential", "client-credentials", "--no-hash-client-secret"]
        _manage(own, "createapplication", *names, *grant)
        body = f"grant_type=client_credentials&client_id=bench&client_secret={client_secret}"
        yield own, Call("/token/", body, FORM)


def _manage(environment: Mapping[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "django", *words]
    subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)


def our_call() -> Call:
    number = factories.number()
    clear = factories.secret(number).clear
    return Call("/platform/api2/token", json.dumps({"appID": number.app_id, "appSecret": clear}))


def measure(goals: Goals, ours: Call) -> None:
    with ExitStack() as running:
        environment, theirs = running.enter_context(toolkit())
        site = running.enter_context(serving(ASGI))
        wsgi = running.enter_context(serving(WSGI, **environment))
        bridged = running.enter_context(serving(BRIDGED, **environment))
        contestants: dict[str, tuple[Site, Call]] = {
            "token door": (site, ours),
            "toolkit, WSGI": (wsgi, theirs),
            "toolkit, bridge": (bridged, theirs),
            "bare view, machines' path": (site, Call("/platform/bench/bare", ours.body)),
            "bare view, people's path": (site, Call("/bench/bare", ours.body)),
        }
        found = stage.in_turns(contestants, ROUNDS, SECONDS)
    for name, loads in found.items():
        print(f"{name:26} {stage.middle(loads)}")
    door = found["token door"]
    for name, loads in found.items():
        if name.startswith("toolkit"):
            goals.at_least(f"token door, times the rate of {name}", stage.ratio(door, loads), 3)
        elif name.startswith("bare"):
            goals.at_most(f"{name}, times the token door's rate", stage.ratio(loads, door), 3)


def main() -> None:
    install_toolkit()
    goals = Goals()
    with stage.platform():
        ours = our_call()
        measure(goals, ours)
        bare = microseconds(asking("/platform/bench/bare", ours.body.encode()))
        print(f"bare view: {bare:.0f} µs in this process")
        show("token door", asking(ours.path, ours.body.encode()))
    goals.leave()


if __name__ == "__main__":
    main()
