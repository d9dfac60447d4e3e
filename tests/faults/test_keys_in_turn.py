"""Three keys of one number, two of which fail in turn while 200 answers are under way."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hands import Hands, hands_in
from tests.platform import running_platform, wait_for
from tests.upstream import running_upstream

pytestmark = [pytest.mark.processes, pytest.mark.long]

KEYS = ("sk-one-1234567890abcdef", "sk-two-1234567890abcdef", "sk-three-1234567890abcdef")
ANSWERS = 200
AT_ONCE = 20
BACK_SECONDS = 60.0
# The key that fails, how, and what its owner is told of it.
FAILURES = [(KEYS[0], "503", "trouble"), (KEYS[1], "429-quota", "out_of_quota")]


def bind_two_more(hands: Hands, app_id: str, base_url: str) -> None:
    hands.do(f"""
number = ServiceNumber.objects.get(app_id={app_id!r})
for clear in {KEYS[1:]!r}:
    factories.key(number, {base_url!r}, clear, label=clear, checked_at=timezone.now())
""")


def status_of(hands: Hands, clear: str) -> str:
    found = "result = {key.open()[1]: key.status for key in ApiKey.objects.bound()}"
    statuses: dict[str, str] = hands.do(found)
    return statuses[clear]


def test_nobody_notices_but_the_owner(tmp_path):
    with running_upstream() as provider:
        allowed = f"127.0.0.1:{provider.port}"
        with running_platform(tmp_path, OUTBOUND_ALLOW=allowed, LOCAL_MODEL="0") as platform:
            given = ["--base-url", provider.url, "--api-key", KEYS[0], "--model", "echo-0.3"]
            provisioned = platform.provision(*given)
            client = platform.client(provisioned)
            with hands_in(platform) as hands, ThreadPoolExecutor(AT_ONCE) as crowd:
                bind_two_more(hands, provisioned["appId"], provider.url)
                asked = [
                    crowd.submit(client.ask, f"Question {number}", f"person-{number}", 60)
                    for number in range(ANSWERS // 2)
                ]
                for clear, trouble, status in FAILURES:
                    provider.play(clear, trouble)
                    asked += [
                        crowd.submit(client.ask, "And?", f"{trouble}-{number}", 60)
                        for number in range(ANSWERS // 4)
                    ]
                    began = time.monotonic()
                    wait_for(lambda c=clear, s=status: status_of(hands, c) == s, what=status)
                    out = time.monotonic() - began
                    provider.play(clear, "")
                    wait_for(lambda c=clear: status_of(hands, c) == "valid", BACK_SECONDS * 2)
                    print(f"{trouble}: out after {out:.1f} s, back after", end=" ")
                    print(f"{time.monotonic() - began:.1f} s")
                ended = Counter(each.result()["status"] for each in asked)
                kinds = hands.do(
                    "result = [n.kind for n in Notice.objects.filter(kind__startswith='key')]"
                )
            mails = wait_for(lambda: len(list((platform.data_dir / "mail").glob("*"))) >= 1)
            print(ended, Counter(kinds), "mails", mails, "calls", provider.calls()["total"])
    assert ended == {"done": ANSWERS}
    assert Counter(kinds) == {"key_down": 2, "key_back": 2}
