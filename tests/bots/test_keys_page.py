"""The API keys page: binding, verdicts, removing; and never a key in a page."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bots import keys
from bots.models import ApiKey, KeyStatus
from portal.models import AuditEntry, State, WorkerHeartbeat
from tests import factories
from tests.bots import talking
from tests.conftest import page

pytestmark = pytest.mark.django_db

GOOD = "sk-good-1234567890abcdef"
OTHER = "sk-other-1234567890abcdef"
URL = "https://api.example.com/v1"
FORM = {"label": "Main", "base_url": URL, "api_key": GOOD}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def path(number) -> str:
    return reverse("number-keys", args=[number.app_id])


@pytest.fixture
def key(number) -> ApiKey:
    return factories.key(number, URL, GOOD, label="Main")


def at(name: str, key: ApiKey, key_id: str = "") -> str:
    return reverse(name, args=[key.number.app_id, key_id or key.pk])


@pytest.fixture
def as_charlie(client, charlie):
    client.force_login(charlie)
    return client


# Reading ----------------------------------------------------------------------------------------


def test_it_says_that_no_key_is_bound(as_alice, path):
    assert "No API key is bound yet" in page(as_alice.get(path))


def test_it_shows_label_url_and_mask_and_never_the_key(as_alice, path, key):
    shown = page(as_alice.get(path))
    assert "Main" in shown
    assert URL in shown
    assert "sk-…cdef" in shown
    assert GOOD not in shown


@pytest.mark.parametrize(
    ("status", "word", "advice"),
    [
        ("valid", "Valid", "nothing to do"),
        ("invalid", "Invalid", "Make a new key there and bind it here."),
        ("no_access", "No access to the model", "Choose another model"),
        ("out_of_quota", "Out of quota", "Top it up"),
        ("rate_limited", "Rate-limited", "The key stays in use"),
        ("unreachable", "Unreachable", "Compare the URL"),
        ("trouble", "Provider trouble", "status page"),
        ("incompatible", "Not OpenAI-compatible", "often ends in /v1"),
        ("pending", "Checking", "We are asking the provider"),
    ],
)
def test_each_verdict_has_its_word_and_what_to_do(as_alice, path, number, status, word, advice):
    factories.key(number, URL, status=status, check_due_at=timezone.now() + timedelta(seconds=29))
    shown = page(as_alice.get(path))
    assert f"</svg> {word}</span>" in shown
    assert advice in shown


@pytest.mark.parametrize(
    ("seen", "advice"),
    [
        ("no connection: the host name does not resolve", "no host of this name"),
        ("no connection: the TLS certificate was refused", "certificate is not one"),
        ("no connection: the TLS handshake failed", "does not speak TLS"),
        ("no connection: refused", "nothing listens at this port"),
        ("timed out", "drops the connection"),
        ("not called: This address is private or reserved.", "may not be called from here"),
    ],
)
def test_what_is_unreachable_says_where_it_broke(as_alice, path, number, seen, advice):
    key = factories.key(number, URL, status="unreachable")
    key.verdicts.create(status="unreachable", evidence=seen)
    assert advice in page(as_alice.get(path))


def test_a_failed_key_says_when_it_is_looked_at_again(as_alice, path, number):
    due_at = timezone.now() + timedelta(minutes=5)
    factories.key(number, URL, status="trouble", check_due_at=due_at)
    shown = page(as_alice.get(path))
    assert "Looked at again:" in shown
    assert due_at.isoformat(timespec="seconds") in shown


def test_priority_and_weight_are_shown_where_there_is_a_choice(as_alice, path, number):
    factories.key(number, URL, priority=2, weight=5)
    assert "weight 5" not in page(as_alice.get(path))
    factories.key(number, URL, "sk-another-1234567890")
    assert "priority 2, weight 5" in page(as_alice.get(path))


def test_it_shows_what_the_provider_said_last(as_alice, path, key):
    key.take_verdict(KeyStatus.UNREACHABLE, "no connection: refused")
    key.take_verdict(KeyStatus.INVALID, "HTTP 401 <b>invalid</b>")
    shown = page(as_alice.get(path))
    assert "HTTP 401 &lt;b&gt;invalid&lt;/b&gt;" in shown
    assert "no connection" not in shown


def test_it_points_to_the_robot_page_where_no_model_is_chosen(as_alice, path, key):
    key.number.robot.delete()
    assert "which model to use" in page(as_alice.get(path))


def test_it_does_not_where_there_is_one(as_alice, path, key):
    assert "Next: " not in page(as_alice.get(path))


@pytest.mark.parametrize(
    ("status", "words"),
    [("valid", "Next: tell the robot"), ("unreachable", "Next: mend this key"), ("pending", "")],
)
def test_the_next_step_comes_with_the_verdict(as_alice, key, status, words):
    key.number.robot.delete()
    ApiKey.objects.update(status=status)
    shown = page(as_alice.get(at("key-row", key) + "?shown=none", headers=HTMX))
    assert 'id="keys-next" role="status" hx-swap-oob="innerHTML"' in shown
    assert words in shown
    assert shown.count("Next: ") == bool(words)


def test_a_key_that_does_not_work_is_mended_before_a_model_is_chosen(as_alice, path, key):
    key.number.robot.delete()
    ApiKey.objects.update(status=KeyStatus.UNREACHABLE)
    shown = page(as_alice.get(path))
    assert "Next: mend this key, or add another." in shown
    assert "Go to the robot page" not in shown


def test_without_a_key_it_names_the_built_in_model(as_alice, path, settings):
    words = "The built-in model needs none."
    assert words in page(as_alice.get(path))
    settings.LOCAL_MODEL = False
    assert words not in page(as_alice.get(path))


def test_a_link_opens_the_form_which_can_be_left(as_alice, path):
    shown = page(as_alice.get(path + "?add=1"))
    assert 'class="collapse show" id="add-key"' in shown
    assert f'<a class="btn" href="{path}">Cancel</a>' in shown


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"label": "Main"}, "Main"),
        ({}, "api.example.com"),
        ({"is_local": True}, "Built-in model"),
        ({"is_sandbox": True}, "Simulator"),
    ],
)
def test_a_key_has_one_name_everywhere(as_alice, path, number, fields, name):
    is_built_in = any(word.startswith("is_") for word in fields)
    key = factories.key(number, "" if is_built_in else URL, **fields)
    shown = page(as_alice.get(path))
    assert f">{name}</div>" in shown
    assert f">Remove {name}</h2>" in shown
    assert f'aria-label="Edit {name}"' in shown
    assert f"Edit {name}</h2>" in page(as_alice.get(at("key-edit", key)))


def test_a_removed_key_is_not_shown(as_alice, path, key, alice):
    keys.remove(key, actor=alice)
    assert key.pk not in page(as_alice.get(path))


def test_it_is_not_stored_by_a_browser(as_alice, path):
    assert "no-store" in as_alice.get(path)["Cache-Control"]


def test_it_costs_the_same_when_the_keys_double(as_alice, path, number):
    factories.key(number, URL, status=KeyStatus.PENDING)
    ApiKey.objects.update(check_due_at=timezone.now() - timedelta(minutes=1))
    with CaptureQueriesContext(connection) as few:
        as_alice.get(path)
    _more = [factories.key(number, URL, f"{OTHER}{index}") for index in range(5)]
    with CaptureQueriesContext(connection) as many:
        as_alice.get(path)
    assert len(few) == len(many)


# Binding ----------------------------------------------------------------------------------------


def test_it_binds_a_key_and_has_it_checked(as_alice, path, number):
    response = as_alice.post(path, FORM)
    key = number.api_keys.get()
    assert (response.status_code, response["Location"]) == (302, path)
    assert (key.label, key.base_url, key.status) == ("Main", URL, KeyStatus.PENDING)
    assert key.open() == (URL, GOOD)
    assert AuditEntry.objects.get(action="key.bound").actor == number.owner


def test_white_space_around_a_pasted_key_is_dropped(as_alice, path, number):
    as_alice.post(path, FORM | {"api_key": f"  {GOOD}\n"})
    assert number.api_keys.get().open()[1] == GOOD


def test_it_binds_the_model_that_ships_with_the_platform(as_alice, path, number):
    as_alice.post(path, {"kind": "local", "label": "Local", "base_url": "nonsense"})
    assert (number.api_keys.get().is_local, number.api_keys.get().label) == (True, "Local")


def test_the_local_model_is_not_offered_where_it_is_switched_off(as_alice, path, settings):
    settings.LOCAL_MODEL = False
    assert 'value="local"' not in page(as_alice.get(path))
    as_alice.post(path, {"kind": "local", "base_url": "local", "api_key": GOOD})
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": "http://169.254.169.254/v1"}, "OUTBOUND_ALLOW"),
        ({"base_url": "https://10.0.0.1/v1"}, "OUTBOUND_ALLOW"),
        ({"base_url": "ftp://example.com"}, "must begin with https://"),
        ({"base_url": "local"}, "must begin with https://"),
        ({"base_url": "https://a.example/v1/chat/completions"}, "Leave out /chat/completions"),
        ({"base_url": "https://a.example/" + "x" * 600}, "at most 500 characters"),
        ({"base_url": "https://a.example/\0"}, "Null characters"),
        ({"base_url": ""}, "This field is required"),
        ({"api_key": ""}, "This field is required"),
        ({"api_key": "sk-a b"}, "A space or a sign"),
        ({"api_key": "sk-a\nb"}, "A space or a sign"),
        ({"api_key": "sk-密钥"}, "A space or a sign"),
        ({"api_key": "sk-\0"}, "Null characters"),
        ({"api_key": "k" * 501}, "at most 500 characters"),
        ({"label": "l" * 61}, "at most 60 characters"),
    ],
)
def test_it_says_beside_the_field_what_is_wrong(as_alice, path, change, words):
    response = as_alice.post(path, FORM | change)
    assert response.status_code == 200
    assert words in page(response)
    assert not ApiKey.objects.exists()


def test_after_an_error_the_key_is_to_be_typed_again_and_the_rest_is_kept(as_alice, path):
    shown = page(as_alice.post(path, FORM | {"base_url": "http://api.example.com/v1"}))
    assert GOOD not in shown
    assert "Type the key again" in shown
    assert 'value="Main"' in shown
    assert 'value="http://api.example.com/v1"' in shown


def test_the_same_key_is_not_bound_twice(as_alice, path, key):
    shown = page(as_alice.post(path, FORM | {"base_url": URL + "/"}))
    assert "bound already: Main" in shown
    assert f'id="{key.pk}" class="table-warning"' in shown
    assert ApiKey.objects.count() == 1


def test_the_local_model_is_not_bound_twice(as_alice, path, number, alice):
    keys.bind(number, keys.LOCAL, "", actor=alice)
    shown = page(as_alice.post(path, {"kind": "local"}))
    assert "bound already: Built-in model" in shown


def test_it_binds_the_simulator(as_alice, path, number):
    as_alice.post(path, {"kind": "simulator", "base_url": "nonsense"})
    key = number.api_keys.get()
    assert (key.is_sandbox, key.is_local, key.base_url, key.sealed) == (True, False, "", "")
    assert "bound already: Simulator" in page(as_alice.post(path, {"kind": "simulator"}))


def test_each_choice_says_once_what_it_is(as_alice, path):
    shown = page(as_alice.get(path))
    for label in ("OpenAI-compatible provider", "Built-in model", "Simulator (sandbox)"):
        assert shown.count(f">{label}</label>") == 1
    assert "No model at all: it answers, dawdles or breaks" in shown


def test_the_simulator_is_marked_and_says_when_it_answers(as_alice, path, number):
    simulator = factories.key(number, "", is_sandbox=True)
    shown = page(as_alice.get(path))
    assert ("bg-purple-lt" in shown, "until you bind another key" in shown) == (True, True)
    factories.key(number, URL)
    for silent in (path, at("key-row", simulator)):
        assert "nothing while another key" in page(as_alice.get(silent, headers=HTMX))


def test_the_simulator_is_not_offered_where_it_is_switched_off(as_alice, path, settings):
    assert 'value="simulator"' in page(as_alice.get(path))
    settings.SIMULATOR = False
    shown = page(as_alice.get(path))
    assert ('value="simulator"' in shown, "choose the simulator" in shown) == (False, False)
    as_alice.post(path, {"kind": "simulator"})
    assert not ApiKey.objects.exists()


def test_there_is_no_choice_where_only_a_provider_may_answer(as_alice, path, settings):
    settings.SIMULATOR = settings.LOCAL_MODEL = False
    assert 'name="kind"' not in page(as_alice.get(path))
    as_alice.post(path, FORM)
    assert ApiKey.objects.get().base_url == URL


def test_the_last_key_beside_the_simulator_is_removed_knowingly(as_alice, path, number, key):
    keys.bind(number, keys.SANDBOX, "", actor=None)
    shown = page(as_alice.get(path))
    assert shown.count("It is the last key beside the simulator") == 1
    assert "the last key that can be used" not in shown


def test_there_is_room_for_twenty_keys(as_alice, path, number):
    _full = [factories.key(number, URL, f"{OTHER}{index}") for index in range(20)]
    assert "Add API key" not in page(as_alice.get(path))
    assert "No more than 20 keys" in page(as_alice.post(path, FORM))
    assert ApiKey.objects.count() == 20


# The row and the check --------------------------------------------------------------------------


def pending(key: ApiKey, seconds: float) -> None:
    """The key's check was asked for so many seconds ago."""
    due_at = timezone.now() - timedelta(seconds=seconds) + keys.CHECK_AGAIN_AFTER
    ApiKey.objects.update(status=KeyStatus.PENDING, check_due_at=due_at)


def test_a_row_polls_while_its_key_is_checked(as_alice, path, key):
    pending(key, 2)
    assert f'hx-get="{at("key-row", key)}?shown="' in page(as_alice.get(path))


def test_a_row_stops_once_there_is_a_verdict(as_alice, key):
    shown = page(as_alice.get(at("key-row", key), headers=HTMX))
    assert shown.strip().startswith("<tr")
    assert "Valid" in shown
    assert "hx-get" not in shown


def test_a_row_that_would_look_the_same_is_not_sent(as_alice, key):
    pending(key, 2)
    response = as_alice.get(at("key-row", key) + "?shown=", headers=HTMX)
    assert (response.status_code, response.content) == (204, b"")


def test_a_row_says_that_no_worker_is_running(as_alice, key):
    pending(key, 25)
    shown = page(as_alice.get(at("key-row", key) + "?shown=", headers=HTMX))
    assert "No worker is running" in shown
    assert "?shown=worker" in shown


def test_a_row_says_that_the_provider_is_slow(as_alice, key):
    WorkerHeartbeat.objects.create(name="worker")
    pending(key, 25)
    shown = page(as_alice.get(at("key-row", key) + "?shown=", headers=HTMX))
    assert "The provider has not answered yet" in shown


def test_a_row_asked_for_as_a_page_leads_to_the_page(as_alice, path, key):
    assert as_alice.get(at("key-row", key))["Location"] == path


def test_a_check_can_be_asked_for_again(as_alice, path, key):
    response = as_alice.post(at("key-check", key))
    key.refresh_from_db()
    assert (response["Location"], key.status) == (path, KeyStatus.PENDING)
    assert AuditEntry.objects.filter(action="key.check_requested").count() == 1


def test_a_check_by_htmx_answers_with_the_row(as_alice, key):
    shown = page(as_alice.post(at("key-check", key), headers=HTMX))
    assert shown.strip().startswith("<tr")
    assert "Checking" in shown


def test_a_check_that_is_under_way_is_not_asked_for_again(as_alice, key):
    pending(key, 2)
    as_alice.post(at("key-check", key))
    assert not AuditEntry.objects.filter(action="key.check_requested").exists()


# Removing ---------------------------------------------------------------------------------------


def test_removing_says_that_the_robot_will_not_be_able_to_answer(as_alice, path, key):
    assert "the robot will not be able to answer" in page(as_alice.get(path))


def test_removing_one_of_two_says_that_the_other_answers(as_alice, path, key):
    factories.key(key.number, URL, OTHER)
    assert "the robot will not be able to answer" not in page(as_alice.get(path))


def test_it_removes_a_key(as_alice, path, key, alice):
    assert as_alice.post(at("key-remove", key))["Location"] == path
    assert ApiKey.objects.get().sealed == ""
    assert AuditEntry.objects.get(action="key.removed").actor == alice


def test_a_removed_key_is_gone(as_alice, key):
    as_alice.post(at("key-remove", key))
    assert as_alice.post(at("key-remove", key)).status_code == 404
    assert AuditEntry.objects.filter(action="key.removed").count() == 1


# Doors ------------------------------------------------------------------------------------------

ROUTES = ["key-edit", "key-row", "key-check", "key-remove"]
POSTS = {"key-check", "key-remove"}


def call(client, name: str, url: str):
    return client.post(url) if name in POSTS else client.get(url)


@pytest.mark.parametrize("name", ROUTES)
def test_anonymous_people_are_asked_to_log_in(client, key, name):
    assert call(client, name, at(name, key))["Location"].startswith(reverse("account_login"))


@pytest.mark.parametrize("name", ROUTES)
def test_charlie_gets_nothing(as_charlie, key, name):
    assert call(as_charlie, name, at(name, key)).status_code == 404


@pytest.mark.parametrize("name", ROUTES)
def test_charlies_key_is_not_found_under_alices_number(as_alice, key, charlies_number, name):
    foreign = factories.key(charlies_number, URL)
    assert call(as_alice, name, at(name, key, foreign.pk)).status_code == 404


@pytest.mark.parametrize("name", ROUTES)
@pytest.mark.parametrize("key_id", ["key_unknown", "\0", "é", "x" * 300])
def test_unknown_keys_are_not_found(as_alice, key, name, key_id):
    assert call(as_alice, name, at(name, key, key_id)).status_code == 404


@pytest.mark.parametrize(
    ("name", "method"),
    [("key-edit", "put"), ("key-row", "post"), ("key-check", "get"), ("key-remove", "get")],
)
def test_other_methods_are_refused(as_alice, key, name, method):
    assert getattr(as_alice, method)(at(name, key)).status_code == 405


def test_the_page_itself_has_the_same_doors(client, path, charlie):
    assert client.get(path)["Location"].startswith(reverse("account_login"))
    client.force_login(charlie)
    assert client.get(path).status_code == 404
    assert client.post(path, FORM).status_code == 404
    assert client.delete(path).status_code == 405
    assert not ApiKey.objects.exists()


# After the session -------------------------------------------------------------------------------


def test_a_row_that_polls_takes_the_whole_page_to_the_login(client, path, key):
    asked = HTMX | {"HX-Current-URL": f"http://testserver{path}"}
    response = client.get(at("key-row", key), headers=asked)
    assert (response.status_code, response.content) == (401, b"")
    assert response["HX-Redirect"] == f"{reverse('account_login')}?next={path}"


def test_another_sites_address_is_not_gone_back_to(client, key):
    asked = HTMX | {"HX-Current-URL": "https://evil.example/console/"}
    response = client.post(at("key-check", key), headers=asked)
    assert response["HX-Redirect"] == f"{reverse('account_login')}?next={reverse('console')}"


def test_a_closed_number_gets_no_key(as_alice, path, number):
    talking.in_state(number, State.CLOSED)
    shown = page(as_alice.post(path, FORM))
    assert "Nothing was saved: the service number is closed." in shown
    assert not ApiKey.objects.exists()
