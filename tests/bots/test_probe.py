"""What a key is worth: probing a provider, good and bad."""

import pytest

from bots.provider import Endpoint
from tests.bots.test_provider import BAD_KEY, KEY, with_provider
from tests.upstream import running_upstream


def probe(upstream, model="echo", key=KEY):
    return with_provider(lambda provider: provider.probe(Endpoint(upstream.url, key, model)))


def test_a_listed_model_makes_the_key_valid_without_a_chat_call(upstream):
    verdict = probe(upstream)
    assert (verdict.status, verdict.models) == ("valid", ["echo", "slow", "instant"])
    assert verdict.evidence == "HTTP 200, models listed: 3"
    assert upstream.calls()["total"] == 0


@pytest.mark.parametrize(
    ("model", "status"),
    [
        ("no-usage", "valid"),
        ("refuse-max-tokens", "valid"),
        ("402", "out_of_quota"),
        ("403", "no_access"),
        ("404", "no_access"),
        ("429", "rate_limited"),
        ("429-quota", "out_of_quota"),
        ("400", "incompatible"),
        ("500", "trouble"),
        ("redirect", "incompatible"),
        ("reset", "unreachable"),
        ("html", "incompatible"),
        ("compressed", "incompatible"),
        ("huge", "incompatible"),
    ],
)
def test_a_model_that_is_not_listed_is_tried_with_one_token(upstream, model, status):
    verdict = probe(upstream, model)
    assert (verdict.status, verdict.models) == (status, ["echo", "slow", "instant"])
    assert verdict.evidence


def test_one_token_is_asked_for(upstream):
    probe(upstream, "no-usage")
    body = upstream.calls()["last"]["body"]
    assert (body["max_tokens"], "stream" in body) == (1, False)


def test_a_refused_key_is_invalid(upstream):
    verdict = probe(upstream, key=BAD_KEY)
    assert verdict.status == "invalid"
    assert "canary" not in verdict.evidence


def test_a_provider_without_a_list_is_asked_for_one_token(upstream):
    verdict = probe(upstream, key="sk-nolist-1234")
    assert (verdict.status, verdict.models) == ("valid", [])
    assert upstream.calls()["total"] == 1


def test_a_list_that_quotes_the_key_is_kept_without_it(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with running_upstream(models=["echo", f"echo-{KEY}"]) as upstream:
        assert probe(upstream).models == ["echo"]


def test_an_empty_list_is_no_list(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with running_upstream(models=[]) as upstream:
        assert probe(upstream).status == "valid"
        assert upstream.calls()["total"] == 1


def test_without_a_model_a_list_is_enough(upstream):
    assert probe(upstream, model="").status == "valid"


def test_a_probe_gives_up_in_time(upstream, monkeypatch):
    monkeypatch.setattr("bots.provider.PROBE_SECONDS", 0.2)
    verdict = probe(upstream, "hang")
    assert (verdict.status, verdict.evidence) == ("unreachable", "timed out")


def test_a_probe_of_a_forbidden_address_is_a_verdict(upstream, settings):
    settings.OUTBOUND_ALLOW = []
    assert probe(upstream).status == "unreachable"


def test_a_probe_of_a_base_url_that_is_none_is_a_verdict(upstream):
    upstream.url = "http://[::1"
    assert probe(upstream).status == "unreachable"


def test_a_probe_with_an_impossible_key_is_a_verdict(upstream):
    assert probe(upstream, key="sk with spaces").status == "invalid"
