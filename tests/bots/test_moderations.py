"""The provider's own moderation: what is asked, what its reply says, and who has none."""

import httpx2
import pytest

from bots.moderations import CATEGORIES_AT_MOST, flagged
from bots.provider import Endpoint, ProviderFault
from bots.provider_faults import UnreadableReplyError
from tests.bots.test_provider import BAD_KEY, KEY, with_provider

pytestmark = pytest.mark.alike


def reply(*results: object) -> dict[str, object]:
    return {"id": "modr_1", "model": "omni-moderation-latest", "results": list(results)}


def result(is_flagged: object = True, **categories: object) -> dict[str, object]:
    return {"flagged": is_flagged, "categories": categories}


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (reply(result(False, violence=False)), []),
        (reply(result(True, violence=True, hate=False)), ["violence"]),
        (reply(result(True, hate=True), result(True, hate=True, sexual=True)), ["hate", "sexual"]),
        (reply(result(True)), ["flagged"]),
        (reply({"flagged": True, "categories": ["violence"]}), ["flagged"]),
        (reply(result("yes", violence=True)), []),
        (reply(), []),
        (reply(result(True, **{KEY: True, "a\nb": True})), ["…", "a b"]),
    ],
)
def test_it_reads_the_categories_of_what_was_flagged(said, names):
    assert flagged(said, KEY) == names


def test_of_a_thousand_categories_few_are_kept_and_those_short():
    names = flagged(reply(result(True, **{f"{n}" * 99: True for n in range(1000)})), KEY)
    assert len(names) == CATEGORIES_AT_MOST
    assert max(map(len, names)) <= 60


@pytest.mark.parametrize("said", [None, [], "ok", {}, {"results": {}}, {"results": ["no"]}])
def test_a_reply_that_is_none_is_unreadable(said):
    with pytest.raises(UnreadableReplyError):
        flagged(said, KEY)


def moderate(upstream, text: str, key: str = KEY) -> list[str] | None:
    endpoint = Endpoint(upstream.url, key, "echo")
    return with_provider(lambda provider: provider.moderate(endpoint, text))


def test_it_asks_the_provider(upstream):
    assert moderate(upstream, "harmless") == []
    assert moderate(upstream, "flag-me\0\ud800") == ["harassment"]
    assert upstream.calls()["moderations"] == 2


def test_a_provider_without_moderation_says_so(upstream):
    assert moderate(upstream, "flag-me", "sk-nolist-1") is None


def test_a_refused_key_is_a_fault_that_does_not_tell_the_key(upstream):
    with pytest.raises(ProviderFault) as raised:
        moderate(upstream, "flag-me", BAD_KEY)
    assert raised.value.code == 71002
    assert BAD_KEY not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_text_that_the_provider_refuses_is_not_flagged(upstream, monkeypatch):
    async def refuse(_simulator, call, _request):
        call.refuse(400, "input is too long", "invalid_request_error")

    monkeypatch.setattr("bots.simulator.server.Simulator._moderate", refuse)
    assert moderate(upstream, "flag-me") == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"input": ["flag-me"]}', b"[" * 100_000])
def test_the_simulator_bears_any_body(upstream, body):
    url = f"{upstream.url}/moderations"
    answer = httpx2.post(url, content=body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    assert answer.json()["results"][0]["flagged"] is (b"flag-me" in body)
