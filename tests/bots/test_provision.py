"""`manage.py provision`: idempotent, audited, and clear about what it refuses."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bots.management.commands import provision
from bots.models import ApiKey, KeyStatus
from portal import moderation
from portal.models import AppSecret, AuditEntry, ServiceNumber, State, User

BASE = ["--developer-email", "Dev@Example.org", "--number-name", "My robot", "--json"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def verdict_at_once(monkeypatch):
    """No worker runs here: the wait for the verdict is cut short."""
    monkeypatch.setattr(provision, "VERDICT_SECONDS", 0)


def run(*arguments: str) -> dict:
    out = StringIO()
    call_command("provision", *BASE, *arguments, stdout=out)
    return json.loads(out.getvalue())


def test_it_makes_developer_number_robot_and_key(settings):
    result = run("--approve", "--new-secret")
    number = ServiceNumber.objects.get()
    assert result["appId"] == number.app_id
    assert result["numberId"] == str(number.pk)
    assert result["chatUrl"] == f"{settings.SITE_URL}/chat/my-robot/"
    assert (number.state, number.owner.email) == (State.APPROVED, "dev@example.org")
    assert ApiKey.objects.get().is_local


def test_the_developer_has_no_password_until_he_sets_one():
    run()
    assert not User.objects.get().has_usable_password()


def test_it_issues_a_secret_only_when_asked():
    assert run()["appSecret"] is None
    assert run("--new-secret")["appSecret"].startswith("fwsk_")
    assert AppSecret.objects.count() == 1


def test_running_it_again_changes_nothing():
    first, again = run("--approve"), run("--approve")
    assert first == again
    assert (User.objects.count(), ServiceNumber.objects.count(), ApiKey.objects.count()) == (
        1,
        1,
        1,
    )


def test_a_second_key_joins_the_first(settings):
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    own = ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"]
    run(*own, "--api-key", "sk-one")
    run(*own, "--api-key", "sk-two")
    assert ApiKey.objects.count() == 2


def test_the_operator_is_the_actor_of_it_all():
    run("--approve", "--new-secret")
    assert set(AuditEntry.objects.values_list("actor_name", flat=True)) == {"operator"}
    assert AuditEntry.objects.filter(action="number.approve").exists()


def test_the_robot_is_on_the_trail_whenever_it_changes():
    run()
    number = ServiceNumber.objects.get()
    before = moderation.version_of(number)
    run()
    assert moderation.version_of(number) == before
    run("--model", "another")
    assert moderation.version_of(number) > before
    entry = AuditEntry.objects.filter(action="robot.edit").latest("pk")
    assert entry.details["changes"]["model"][1] == "another"


def test_it_approves_again_what_was_suspended():
    run("--approve")
    moderation.move(ServiceNumber.objects.get(), moderation.SUSPEND, actor=None, reason="test")
    run("--approve")
    assert ServiceNumber.objects.get().state == State.APPROVED


def test_it_reports_the_verdict_that_there_is():
    assert run()["keyStatus"] == KeyStatus.PENDING


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--base-url", "https://api.example.org/v1"], "--api-key is missing"),
        (["--base-url", "http://10.0.0.1/v1", "--api-key", "sk-x"], "OUTBOUND_ALLOW"),
        (["--base-url", "ftp://example.org", "--api-key", "sk-x"], "http"),
    ],
)
def test_it_says_what_to_mend_and_leaves_nothing_behind(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)
    assert not ServiceNumber.objects.exists()


def test_a_bad_address_or_name_is_refused():
    with pytest.raises(CommandError, match="email"):
        call_command("provision", "--developer-email", "nobody", "--number-name", "Robot")
    with pytest.raises(CommandError, match="alphabets"):
        call_command("provision", "--developer-email", "d@example.org", "--number-name", "GРT")


def test_a_name_that_another_developer_has_is_refused():
    run()
    with pytest.raises(CommandError, match="already exists"):
        call_command("provision", "--developer-email", "e@example.org", "--number-name", "my ROBOT")


def test_a_closed_number_stays_closed():
    run()
    moderation.move(ServiceNumber.objects.get(), moderation.CLOSE, actor=None)
    with pytest.raises(CommandError, match="closed"):
        run("--approve")


def test_it_binds_the_simulator_instead():
    run("--simulator")
    assert ApiKey.objects.get().is_sandbox
    assert ServiceNumber.objects.get().robot.model == "brisk"
    run("--simulator", "--model", "429")
    assert (ApiKey.objects.count(), ServiceNumber.objects.get().robot.model) == (1, "429")


@pytest.mark.parametrize("other", ["--api-key=sk-1", "--base-url=https://api.example.com/v1"])
def test_the_simulator_goes_with_no_key_and_no_other_place(other):
    with pytest.raises(CommandError, match="--simulator goes without"):
        run("--simulator", other)


def test_a_simulator_that_is_switched_off_is_not_bound(settings):
    settings.SIMULATOR = False
    with pytest.raises(CommandError, match="SIMULATOR=0"):
        run("--simulator")
