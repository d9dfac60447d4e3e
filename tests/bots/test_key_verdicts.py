"""Each verdict from each of its causes: when a key is bound, and when an answer finds out."""

import socket
from contextlib import contextmanager

import pytest
from django.utils import timezone

from bots import key_checks, keys
from bots.models import ApiKey, KeyStatus, Message, Robot
from tests import factories
from tests.bots.at_work import answer_now
from tests.upstream import running_upstream

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = "sk-good-1234567890abcdef"
TRIES = 3  # so often a fault of the provider is met before it counts

# The model plays the provider's trouble.
BY_MODEL = [
    ("instant", "valid", "HTTP 200"),
    ("401", "invalid", "HTTP 401 invalid_api_key (request req_of_the_simulator)"),
    ("403", "no_access", "HTTP 403 permission_denied (request req_of_the_simulator)"),
    ("404", "no_access", "HTTP 404 model_not_found (request req_of_the_simulator)"),
    ("402", "out_of_quota", "HTTP 402"),
    ("429-quota", "out_of_quota", "HTTP 429 insufficient_quota"),
    ("429", "rate_limited", "HTTP 429 rate_limit_exceeded"),
    ("500", "trouble", "HTTP 500 server_error"),
    ("503", "trouble", "HTTP 503"),
    ("reset", "unreachable", "no connection"),
    ("html", "incompatible", ""),
    ("redirect", "incompatible", "HTTP 307"),
    ("compressed", "incompatible", "the answer came compressed"),
]


@contextmanager
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def no_such_host():
    yield "https://nobody.invalid/v1"


@contextmanager
def plain_http_where_tls_is_asked():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/v1"


@contextmanager
def silence():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


@contextmanager
def forbidden_address():
    yield "http://169.254.169.254/v1"


BY_PLACE = [
    (closed_port, "no connection: refused"),
    (no_such_host, "no connection: the host name does not resolve"),
    (plain_http_where_tls_is_asked, "timed out"),
    (silence, "timed out"),
    (forbidden_address, "not called"),
]


@pytest.fixture
def upstream(settings):
    """One that lists every model it has."""
    with running_upstream(models=[model for model, _status, _evidence in BY_MODEL]) as running:
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{running.port}"]
        yield running


@pytest.fixture
def impatient(settings, monkeypatch):
    settings.OUTBOUND_ALLOW, settings.FIRST_TOKEN_SECONDS = ["127.0.0.1"], 0.4
    monkeypatch.setattr("bots.provider.PROBE_SECONDS", 0.4)
    monkeypatch.setattr("bots.outbound.CONNECT_SECONDS", 0.4)


def use_model(number, model: str) -> None:
    Robot.objects.filter(number=number).update(model=model)


def seen(key: ApiKey) -> tuple[str, str]:
    stored = ApiKey.objects.get(pk=key.pk)
    newest = stored.verdicts.order_by("-pk").first()
    return stored.status, newest.evidence if newest else ""


def ask_until_it_counts(number, worker) -> None:
    for _try in range(TRIES):
        message = factories.message(number, open_id=f"p{_try}", new_conversation=True)
        answer_now(worker, message.pk)
        Message.objects.unsettled().update(next_attempt_at=timezone.now())


# When bound -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [GOOD, "sk-nolist-1234567890"], ids=["listed", "without a list"])
@pytest.mark.parametrize(("model", "status", "evidence"), BY_MODEL)
def test_a_bound_key_gets_its_verdict(number, upstream, worker, key, model, status, evidence):
    use_model(number, model)
    made = keys.bind(number, upstream.url, key, actor=None)
    worker.run(key_checks.check(made.pk, worker))
    assert seen(made)[0] == status
    assert evidence in seen(made)[1]


@pytest.mark.parametrize(("place", "evidence"), BY_PLACE)
def test_a_place_that_cannot_be_reached_says_why(number, impatient, worker, place, evidence):
    with place() as base_url:
        made = factories.key(number, base_url, status=KeyStatus.PENDING)
        worker.run(key_checks.check(made.pk, worker))
    assert seen(made)[0] == KeyStatus.UNREACHABLE
    assert seen(made)[1].startswith(evidence)


def test_what_came_back_instead_is_told(number, upstream, worker):
    use_model(number, "html")
    made = keys.bind(number, upstream.url, "sk-nolist-1234567890", actor=None)
    worker.run(key_checks.check(made.pk, worker))
    assert "Welcome to our portal" in seen(made)[1]


# In use -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "status", "evidence"), BY_MODEL[1:])
def test_an_answer_finds_out(number, upstream, worker, model, status, evidence):
    use_model(number, model)
    key = factories.key(number, upstream.url)
    ask_until_it_counts(number, worker)
    assert seen(key)[0] == status
    assert evidence in seen(key)[1]


@pytest.mark.parametrize(("place", "evidence"), BY_PLACE)
def test_an_answer_finds_a_place_gone(number, impatient, worker, place, evidence):
    with place() as base_url:
        key = factories.key(number, base_url)
        ask_until_it_counts(number, worker)
    assert seen(key)[0] == KeyStatus.UNREACHABLE
    assert seen(key)[1].startswith(evidence)


@pytest.mark.parametrize("model", ["hang", "stall", "cut", "no-finish", "garbage", "sse-error"])
def test_an_answer_that_breaks_off_again_and_again_is_trouble(
    number, upstream, worker, settings, model
):
    settings.FIRST_TOKEN_SECONDS = settings.BETWEEN_TOKENS_SECONDS = 0.2
    use_model(number, model)
    key = factories.key(number, upstream.url)
    ask_until_it_counts(number, worker)
    assert seen(key)[0] == KeyStatus.TROUBLE


# Recovery ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trouble", "status"), [("401", "invalid"), ("503", "trouble")])
def test_while_the_list_fails_a_check_costs_no_call(number, upstream, worker, trouble, status):
    key = factories.key(number, upstream.url, GOOD, status=status)
    upstream.play(GOOD, trouble)
    worker.run(key_checks.check(key.pk, worker))
    assert (seen(key)[0], upstream.calls()["total"]) == (status, 0)


def test_a_quota_that_is_still_used_up_is_not_taken_for_valid(number, upstream, worker):
    key = factories.key(number, upstream.url, GOOD, status=KeyStatus.OUT_OF_QUOTA)
    upstream.play(GOOD, "429-quota")
    worker.run(key_checks.check(key.pk, worker))
    assert seen(key)[0] == KeyStatus.OUT_OF_QUOTA


def test_a_key_that_works_again_costs_one_token(number, upstream, worker):
    key = factories.key(number, upstream.url, GOOD, status=KeyStatus.OUT_OF_QUOTA)
    worker.run(key_checks.check(key.pk, worker))
    assert (seen(key)[0], upstream.calls()["total"]) == (KeyStatus.VALID, 1)
    assert upstream.calls()["last"]["body"]["max_tokens"] == 1


def test_a_model_that_is_slow_says_nothing_against_the_key(number, upstream, worker, monkeypatch):
    monkeypatch.setattr("bots.provider.PROOF_SECONDS", 0.2)
    monkeypatch.setattr("bots.simulator.server.OF_CALLS_ALONE", {"wait-10"})
    use_model(number, "instant")
    upstream.play(GOOD, "wait-10")
    key = keys.bind(number, upstream.url, GOOD, actor=None)
    worker.run(key_checks.check(key.pk, worker))
    assert seen(key)[0] == KeyStatus.VALID
