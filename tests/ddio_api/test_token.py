"""The token door: appId and appSecret in, a temporary accessToken out."""

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from ddio_api import tokens
from portal import app_records, credentials, valkey
from portal.models import State
from tests import factories
from tests.conftest import DdioClient

pytestmark = pytest.mark.django_db
FORM = {"content_type": "application/x-www-form-urlencoded"}


def ask(client, number, secret, **more):
    return client.post("token", {"appID": number.app_id, "appSecret": secret.clear} | more)


@pytest.fixture
def secret(number):
    return factories.secret(number)


def test_it_exchanges_a_secret_for_a_token_that_works(anonymous, number, secret):
    answer = ask(anonymous, number, secret, accessType="CLIENT").json()
    assert answer["code"] == 0
    assert DdioClient(answer["access_token"]).get("chat/feedback").status_code == 200


def test_every_client_finds_its_own_words(anonymous, number, secret):
    answer = ask(anonymous, number, secret).json()
    token = answer["access_token"]
    assert answer["accessToken"] == answer["result"]["access_token"] == token
    assert answer["expires_in"] == answer["expiresIn"] == answer["result"]["expires_in"] == 7200
    assert (answer["code"], answer["errcode"], answer["msg"], answer["errmsg"]) == (
        0,
        0,
        "ok",
        "ok",
    )
    assert answer["token_type"] == "Bearer"


def test_the_answer_is_not_to_be_stored(anonymous, number, secret):
    assert ask(anonymous, number, secret).headers["Cache-Control"] == "no-store"


def test_it_takes_the_other_spelling_of_appid(anonymous, number, secret):
    body = {"appId": number.app_id, "appSecret": secret.clear}
    assert anonymous.post("token", body).status_code == 200


def test_it_takes_a_form(anonymous, number, secret):
    body = f"appID={number.app_id}&appSecret={secret.clear}&accessType=CLIENT"
    assert anonymous.post("token", body, **FORM).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "multipart/form-data"]
)
def test_it_takes_json_whatever_the_content_type_says(anonymous, number, secret, content_type):
    body = json.dumps({"appID": number.app_id, "appSecret": secret.clear})
    assert anonymous.post("token", body, content_type=content_type).status_code == 200


def test_the_expiry_is_a_setting(anonymous, number, secret, settings):
    settings.ACCESS_TOKEN_SECONDS = 90
    assert ask(anonymous, number, secret).json()["expires_in"] == 90


def test_asking_again_kills_no_earlier_token(anonymous, number, secret):
    first, second = (ask(anonymous, number, secret).json()["access_token"] for _ in range(2))
    assert first != second
    assert DdioClient(first).get("chat/feedback").status_code == 200


def test_it_notes_when_the_secret_was_used(anonymous, number, secret):
    ask(anonymous, number, secret)
    assert number.secrets.get().last_used_at is not None


def test_it_writes_that_down_once_a_minute_and_nothing_else(
    anonymous, number, secret, django_assert_num_queries
):
    ask(anonymous, number, secret)
    with django_assert_num_queries(0):
        ask(anonymous, number, secret)


def test_it_notes_the_use_again_after_a_minute(anonymous, number, secret):
    long_ago = timezone.now() - timedelta(seconds=61)
    number.secrets.update(last_used_at=long_ago)
    ask(anonymous, number, secret)
    assert number.secrets.get().last_used_at > long_ago


def test_a_refused_secret_is_not_noted(anonymous, number, secret):
    credentials.freeze(secret.row, actor=None)
    ask(anonymous, number, secret)
    assert number.secrets.get().last_used_at is None


def test_it_refuses_a_wrong_secret(anonymous, number, secret):
    body = {"appID": number.app_id, "appSecret": credentials.new_secret()}
    answer = anonymous.post("token", body)
    assert (answer.status_code, answer.json()["code"]) == (401, 40125)
    assert "WWW-Authenticate" not in answer.headers


def test_a_mistyped_secret_is_refused_without_a_look_into_the_database(
    anonymous, number, secret, django_assert_num_queries
):
    mistyped = secret.clear[:-1] + ("a" if secret.clear[-1] != "a" else "b")
    with django_assert_num_queries(0):
        answer = anonymous.post("token", {"appID": number.app_id, "appSecret": mistyped})
    assert answer.json()["code"] == 40125


def test_it_refuses_another_numbers_secret(anonymous, number, charlies_number):
    answer = ask(anonymous, number, factories.secret(charlies_number))
    assert answer.json()["code"] == 40125


def test_an_unknown_app_and_a_wrong_secret_are_answered_alike(anonymous, number, secret):
    wrong = {"appSecret": credentials.new_secret()}
    known = anonymous.post("token", {"appID": number.app_id} | wrong, **{"X-Request-ID": "r" * 8})
    absent = anonymous.post(
        "token", {"appID": "fw" + "0" * 16} | wrong, **{"X-Request-ID": "r" * 8}
    )
    assert (known.status_code, known.content) == (absent.status_code, absent.content)


@pytest.mark.parametrize("cached", [True, False])
def test_an_unknown_app_costs_as_many_queries_as_a_wrong_secret(
    anonymous, number, secret, django_assert_num_queries, cached
):
    wrong = {"appSecret": credentials.new_secret()}
    for app_id in (number.app_id, "fw" + "0" * 16):
        valkey.ask(lambda client: client.flushdb())
        _seen = cached and app_records.read(app_id)
        with django_assert_num_queries(4 if cached else 8):
            anonymous.post("token", {"appID": app_id} | wrong)


@pytest.mark.parametrize(
    "app_id", ["fw123", "FW0123456789ABCDEF", "wx0123456789abcdef", "1", "fw" + "０" * 16]
)
def test_it_names_a_malformed_appid(anonymous, app_id):
    answer = anonymous.post("token", {"appID": app_id, "appSecret": "x"})
    assert answer.json()["code"] == 40013


@pytest.mark.parametrize(
    ("access_type", "code"), [("USER", 40002), ("client", 40002), ("", 47001), (None, 47001)]
)
def test_it_refuses_other_access_types(anonymous, number, secret, access_type, code):
    answer = ask(anonymous, number, secret, accessType=access_type)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_it_refuses_a_frozen_secret_and_says_so(anonymous, number, secret):
    credentials.freeze(secret.row, actor=None)
    assert ask(anonymous, number, secret).json()["code"] == 40243


def test_a_wrong_secret_does_not_learn_that_the_right_one_is_frozen(anonymous, number, secret):
    credentials.freeze(secret.row, actor=None)
    body = {"appID": number.app_id, "appSecret": credentials.new_secret()}
    assert anonymous.post("token", body).json()["code"] == 40125


def test_both_secrets_work_during_an_overlap(anonymous, number, secret):
    newer = credentials.reset(number, actor=None, overlap=timedelta(hours=1))
    assert ask(anonymous, number, secret).status_code == 200
    assert ask(anonymous, number, newer).status_code == 200


def test_the_old_secret_dies_when_the_overlap_ends(anonymous, number, secret, monkeypatch):
    credentials.reset(number, actor=None, overlap=timedelta(hours=1))
    later = time.time() + 3601
    monkeypatch.setattr("portal.app_records.time.time", lambda: later)
    assert ask(anonymous, number, secret).json()["code"] == 40125


@pytest.mark.parametrize("state", [State.DRAFT, State.IN_REVIEW, State.REJECTED])
def test_a_number_that_is_not_approved_yet_gets_a_token(anonymous, alice, state):
    made = factories.number(owner=alice, state=state)
    assert ask(anonymous, made, factories.secret(made)).status_code == 200


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_suspended_or_closed_number_gets_none(anonymous, alice, state):
    made = factories.number(owner=alice, state=state)
    answer = ask(anonymous, made, factories.secret(made))
    assert (answer.status_code, answer.json()["code"]) == (403, 50002)


@pytest.mark.parametrize("missing", [None, ""])
def test_an_empty_field_is_a_missing_one(anonymous, number, missing):
    assert anonymous.post("token", {"appID": missing, "appSecret": "x"}).json()["code"] == 41002
    given = {"appID": number.app_id, "appSecret": missing}
    assert anonymous.post("token", given).json()["code"] == 41004


def test_a_secret_in_the_query_opens_nothing(anonymous, number, secret):
    query = {"appID": number.app_id, "appSecret": secret.clear}
    answer = anonymous.get("token", query)
    assert (answer.status_code, answer.json()["code"]) == (405, 43002)


def test_neither_secret_nor_token_is_logged(anonymous, number, secret, caplog, capfd):
    token = ask(anonymous, number, secret).json()["access_token"]
    DdioClient(token).get("chat/feedback")
    written = caplog.text + "".join(capfd.readouterr())
    assert secret.clear not in written
    assert token not in written


def test_a_token_survives_the_rotation_of_the_signing_key(number, secret, settings):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    settings.TOKEN_SIGNING_KEYS = ["the new key", *settings.TOKEN_SIGNING_KEYS]
    assert DdioClient(token).get("chat/feedback").status_code == 200


def test_a_token_dies_with_its_signing_key(number, secret, settings):
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    settings.TOKEN_SIGNING_KEYS = ["the new key"]
    assert DdioClient(token).get("chat/feedback").json()["code"] == 40001
