"""Canaries: what was used in a run is in no log, mail or page, and in no dump of what is kept."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

import pytest
import redis
import requests
from cryptography.fernet import Fernet

from tests.hands import hands_in
from tests.platform import Platform, running_platform, wait_for
from tests.upstream import Upstream, running_upstream

pytestmark = pytest.mark.processes

API_KEY = "sk-canary-4f8e2b9a7c6d5e3f1a0b"
BAD_KEY = "sk-bad-canary-9a8b7c6d5e4f3a2b"
REPLACED = "sk-canary-replaced-1a2b3c4d5e6f"
TYPED_IN_VAIN = "sk-canary-in-vain-6f5e4d3c2b1a"
PASSWORD = "canary-password-77-of-dora"
WRONG_PASSWORD = "canary-wrong-password-78"
ADMINISTRATOR = "admin@example.org"
PAGES = ("", "credentials/", "calls/", "feedback/", "robot/", "robot/versions/", "safety/",
         "usage/", "usage/entries/", "usage/entries.csv")  # fmt: skip
LINK = re.compile(r'href="(/admin/[^"#?]*)')
LOGOUT = "/admin/logout/"
ADMIN_PAGES_AT_MOST = 400
OWN_SECRETS = {
    "SECRET_KEY": "canary-secret-key-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH",
    "TOKEN_SIGNING_KEYS": "canary-signing-key-0123456789abcdefghijklmnop",
    "API_KEY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
}


# What is kept -----------------------------------------------------------------------------------


def dump_of_database(platform: Platform) -> str:
    url = platform.environment.get("DATABASE_URL")
    if not url:
        return ""  # its files are among those that are kept
    dumped = subprocess.run(["pg_dump", url], capture_output=True, check=True)
    return dumped.stdout.decode(errors="replace")


def dump_of_valkey(platform: Platform) -> str:
    url = platform.environment.get("REDIS_URL", f"unix://{platform.data_dir}/valkey.sock?db=0")
    client = redis.Redis.from_url(url)
    return "".join(repr((key, client.dump(key))) for key in client.scan_iter())


def files_kept(platform: Platform) -> str:
    """All that lies in the data directory (database, Valkey's log of writes, logs, mails) but for
    the file that holds the installation's own secrets and is there to hold them."""
    kept = (path for path in Path(platform.data_dir).rglob("*") if path.is_file())
    texts = (path.read_bytes() for path in kept if path.name != "secrets.json")
    return b"\n".join(texts).decode("latin-1")


def command_lines(platform: Platform) -> str:
    return "\n".join(" ".join(process.cmdline()) for process in platform.processes())


def everything(platform: Platform) -> str:
    parts: list[Callable[[Platform], str]] = [
        Platform.logs,
        files_kept,
        dump_of_database,
        dump_of_valkey,
        command_lines,
    ]
    return "\n".join(part(platform) for part in parts)


# What people do ---------------------------------------------------------------------------------


class Browser:
    """As much of one as it takes to fill in forms."""

    def __init__(self, platform: Platform) -> None:
        self._root = platform.url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str) -> str:
        return self.session.get(urljoin(self._root, path), timeout=20).text

    def post(self, path: str, **fields: str) -> str:
        self.get(path)
        token = self.session.cookies.get("csrftoken", "")
        given = fields | {"csrfmiddlewaretoken": token}
        return self.session.post(urljoin(self._root, path), given, timeout=20).text

    def log_in(self, address: str, password: str) -> str:
        return self.post("/accounts/login/", login=address, password=password)

    @property
    def cookie(self) -> str:
        return str(self.session.cookies["sessionid"])


def make_people(platform: Platform) -> None:
    with hands_in(platform) as hands:
        hands.do(f"""
for address, facts in (("dev@example.org", {{}}),
                       ({ADMINISTRATOR!r}, {{"is_staff": True, "is_superuser": True}})):
    user = User.objects.filter(email=address).first() or factories.user(address)
    user.__dict__.update(facts)
    user.set_password({PASSWORD!r})
    user.save()
    user.emailaddress_set.get_or_create(email=address, verified=True, primary=True)
""")


def use_the_console(browser: Browser, provider: Upstream, app_id: str) -> list[str]:
    """Type keys where they are taken and where they are refused; the pages that came back."""
    keys = f"/console/numbers/{app_id}/keys/"
    pages = [
        browser.log_in("dev@example.org", WRONG_PASSWORD),
        browser.log_in("dev@example.org", PASSWORD),
        browser.post(keys, kind="provider", label="x", base_url="http://10.0.0.1/v1",
                     api_key=TYPED_IN_VAIN),
        browser.post(keys, kind="provider", label="y", base_url=provider.url, api_key=REPLACED),
    ]  # fmt: skip
    edit = re.findall(r'href="([^"]+/keys/key_[^"/]+/)"', pages[-1])
    for path in edit:
        pages.append(browser.post(path, label="z", priority="0", weight="1",
                                  base_url="https://elsewhere.example/v1", api_key=""))  # fmt: skip
    pages += [
        browser.get(f"/console/numbers/{app_id}/{name}/") for name in ("credentials", "calls")
    ]
    return [*pages, browser.get(keys), browser.get("/console/notices/")]


def all_of_the_admin(browser: Browser) -> dict[str, str]:
    """Every page of it that a link leads to."""
    browser.log_in(ADMINISTRATOR, PASSWORD)
    seen: dict[str, str] = {}
    left = ["/admin/"]
    while left and len(seen) < ADMIN_PAGES_AT_MOST:
        path = left.pop()
        if path not in seen and path != LOGOUT:
            seen[path] = browser.get(path)
            left += LINK.findall(seen[path])
    return seen


def misuse_the_doors(
    platform: Platform, client: "requests.Session", secret: str, token: str
) -> None:
    """Secrets where they do not belong: in URLs, in broken bodies, in other fields."""
    api = f"{platform.url}/platform/api2"
    client.get(f"{api}/token", params={"appID": "app_x", "appSecret": secret}, timeout=10)
    client.post(f"{api}/token", data=f'{{"appSecret": "{secret}"', timeout=10)
    client.get(f"{api}/chat/feedback", params={"access_token": token}, timeout=10)
    client.get(f"{api}/quota", headers={"access-token": token + "x"}, timeout=10)
    client.post(f"{platform.url}/oauth2/token", auth=("app_x", secret), timeout=10)
    client.post(f"{platform.url}/v1/chat/completions", json={"api_key": API_KEY}, timeout=10)


# The run ----------------------------------------------------------------------------------------


def test_nothing_that_is_kept_or_shown_holds_a_secret_that_was_used(tmp_path):
    own = OWN_SECRETS | {"LOG_LEVEL": "DEBUG", "LOCAL_MODEL": "0"}
    with running_upstream() as provider:
        own["OUTBOUND_ALLOW"] = f"127.0.0.1:{provider.port}"
        with running_platform(tmp_path, **own) as platform:
            at = ["--base-url", provider.url, "--model", "echo"]
            refused = platform.provision(*at, "--api-key", BAD_KEY)
            provisioned = platform.provision(*at, "--api-key", API_KEY)
            make_people(platform)
            client = platform.client(provisioned)
            answered = client.ask("ping", wait=20)
            for key, trouble in ((API_KEY, "429-quota"), (BAD_KEY, "503")):
                provider.play(key, trouble)
            client.ask("And now?", wait=20)
            misuse_the_doors(platform, requests.Session(), provisioned["appSecret"], client.token)
            developer, administrator = Browser(platform), Browser(platform)
            pages = use_the_console(developer, provider, provisioned["appId"])
            admin = all_of_the_admin(administrator)
            reports = [platform.manage("rotate_keys", *how).stdout for how in ([], ["--json"])]
            mails = wait_for(lambda: list((platform.data_dir / "mail").glob("*")), what="a mail")
            platform.part("celery", "worker").terminate()
            kept = everything(platform)
    shown = "\n".join([*pages, *admin.values(), *reports])
    secrets = [
        *(provisioned["appSecret"], refused["appSecret"], client.token),
        *(API_KEY, BAD_KEY, REPLACED, TYPED_IN_VAIN, PASSWORD, WRONG_PASSWORD),
        *(developer.cookie, administrator.cookie, *OWN_SECRETS.values()),
    ]
    assert (refused["keyStatus"], answered["status"]) == ("invalid", "done")
    assert "message_settled" in kept
    assert [secret for secret in secrets if secret in kept] == []
    assert [secret for secret in secrets if secret in shown] == []
    assert (len(mails) > 0, len(admin) > 20) == (True, True)
    for word in ("out of quota", "prompt_tokens", "resealed"):
        assert word in shown.lower()
