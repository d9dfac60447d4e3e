"""OAuth 2: client credentials by Basic or in the form, revocation, metadata, and their errors."""

import base64
import re
from urllib.parse import urlencode

import pytest

from ddio_api import tokens
from portal import credentials
from portal.models import RevokedToken, State
from tests import factories
from tests.conftest import DdioClient

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
DESCRIBABLE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, section 5.2
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def secret(number):
    return factories.secret(number)


@pytest.fixture
def client_id(number, secret) -> dict[str, str]:
    return {"client_id": number.app_id, "client_secret": secret.clear}


def post(path: str, form: dict[str, str], **headers: str):
    return DdioClient().post(path, urlencode(form), content_type=FORM, **headers)


def take(form: dict[str, str], **headers: str):
    return post("/oauth2/token", GRANT | form, **headers)


def basic(app_id: str, clear: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{app_id}:{clear}".encode()).decode()}


def works(token: str) -> bool:
    return DdioClient(token).get("chat/feedback").status_code == 200


def outcome(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]


# Tokens -----------------------------------------------------------------------------------------


def test_it_takes_the_client_in_the_form(client_id):
    answer = take(client_id)
    assert answer.status_code == 200
    assert works(answer.json()["access_token"])


def test_it_takes_the_client_by_basic(number, secret):
    answer = take({}, **basic(number.app_id, secret.clear))
    assert works(answer.json()["access_token"])


def test_it_takes_basic_with_the_same_client_id_in_the_form(number, secret):
    answer = take({"client_id": number.app_id}, **basic(number.app_id, secret.clear))
    assert answer.status_code == 200


def test_it_refuses_a_client_shown_in_both_ways(number, secret, client_id):
    assert outcome(take(client_id, **basic(number.app_id, secret.clear))) == (
        400,
        "invalid_request",
    )


def test_what_is_empty_counts_as_left_out(number, secret):
    empty = {"client_id": "", "client_secret": ""}
    assert take(empty, **basic(number.app_id, secret.clear)).status_code == 200


def test_it_refuses_another_client_id_beside_basic(number, secret):
    other = {"client_id": "fw" + "0" * 16}
    assert outcome(take(other, **basic(number.app_id, secret.clear))) == (400, "invalid_request")


def test_it_takes_wechats_grant_type_too(client_id):
    assert take(client_id | {"grant_type": "client_credential"}).status_code == 200


@pytest.mark.parametrize("grant", ["password", "authorization_code", "CLIENT_CREDENTIALS"])
def test_it_refuses_other_grants(client_id, grant):
    assert outcome(take(client_id | {"grant_type": grant})) == (400, "unsupported_grant_type")


def test_it_wants_a_grant_type(client_id):
    assert outcome(post("/oauth2/token", client_id)) == (400, "invalid_request")


def test_it_says_nothing_of_scope(client_id):
    assert "scope" not in take(client_id | {"scope": "everything"}).json()


def test_the_answer_is_kept_by_nobody(client_id):
    headers = take(client_id).headers
    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")


def test_a_wrong_secret_is_an_invalid_client(number):
    answer = take({"client_id": number.app_id, "client_secret": credentials.new_secret()})
    assert outcome(answer) == (401, "invalid_client")
    assert (answer.json()["code"], answer.json()["errcode"]) == (40125, 40125)
    assert "WWW-Authenticate" not in answer.headers


def test_a_wrong_secret_by_basic_is_told_to_use_basic(number):
    answer = take({}, **basic(number.app_id, credentials.new_secret()))
    assert outcome(answer) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("header", ["Basic", "Basic ???", "Basic 5oiR", "Bearer x", "Digest a=b"])
def test_an_unreadable_header_is_an_invalid_client(header):
    assert outcome(take({}, Authorization=header)) == (401, "invalid_client")


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_a_client_that_does_not_show_itself_is_invalid(client_id, missing):
    del client_id[missing]
    assert outcome(take(client_id)) == (401, "invalid_client")


@pytest.mark.parametrize("app_id", ["fw" + "0" * 16, "x", "fw\x00", "号", "fw" + "0" * 5000])
def test_an_unknown_client_and_a_wrong_secret_are_answered_alike(number, app_id):
    wrong = credentials.new_secret()
    same = {"X-Request-ID": "the-same-request"}
    known = take({"client_id": number.app_id, "client_secret": wrong}, **same)
    absent = take({"client_id": app_id, "client_secret": wrong}, **same)
    assert (known.status_code, known.content) == (absent.status_code, absent.content)


@pytest.mark.parametrize("state", [State.SUSPENDED, State.CLOSED])
def test_a_silenced_number_is_an_unauthorized_client(number, client_id, state):
    factories.put(number, state)
    assert outcome(take(client_id)) == (400, "unauthorized_client")


def test_a_frozen_secret_is_an_unauthorized_client(secret, client_id):
    credentials.freeze(secret.row, actor=None)
    assert outcome(take(client_id)) == (400, "unauthorized_client")


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_description_is_ascii_and_english(number, client_id, language):
    factories.put(number, State.SUSPENDED)
    answer = take(client_id, **{"Accept-Language": language})
    assert DESCRIBABLE.fullmatch(answer.json()["error_description"])


def test_it_refuses_what_is_told_twice(number, secret):
    body = urlencode([*GRANT.items(), ("client_id", "a"), ("client_id", "b")])
    answer = DdioClient().post("/oauth2/token", body, content_type=FORM)
    assert outcome(answer) == (400, "invalid_request")


def test_it_is_for_post_alone():
    answer = DdioClient().call("GET", "/oauth2/token")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_an_unknown_path_of_the_family_is_not_found():
    assert DdioClient().call("GET", "/oauth2/authorize").status_code == 404


# Revocation -------------------------------------------------------------------------------------


@pytest.fixture
def token(number, secret) -> str:
    return tokens.issue(number.app_id, secret.row.generation)[0]


def test_a_revoked_token_is_dead_on_the_next_call(client_id, token):
    assert works(token)
    assert post("/oauth2/revoke", client_id | {"token": token}).status_code == 200
    assert DdioClient(token).get("chat/feedback").json()["code"] == 40001


def test_other_tokens_live_on(number, secret, client_id, token):
    other = tokens.issue(number.app_id, secret.row.generation)[0]
    post("/oauth2/revoke", client_id | {"token": token})
    assert works(other)


def test_it_takes_basic_and_a_hint(number, secret, token):
    form = {"token": token, "token_type_hint": "access_token"}
    post("/oauth2/revoke", form, **basic(number.app_id, secret.clear))
    assert not works(token)


def test_revoking_twice_is_the_same_as_once(client_id, token):
    answers = [post("/oauth2/revoke", client_id | {"token": token}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert RevokedToken.objects.count() == 1


@pytest.mark.parametrize("unknown", ["x", "fwat_" + "A" * 72, "号", "\x00"])
def test_an_unknown_token_is_no_error(client_id, unknown):
    assert post("/oauth2/revoke", client_id | {"token": unknown}).status_code == 200
    assert not RevokedToken.objects.exists()


def test_an_expired_token_needs_no_row(number, secret, client_id, settings):
    settings.ACCESS_TOKEN_SECONDS = 0
    expired = tokens.issue(number.app_id, secret.row.generation)[0]
    assert post("/oauth2/revoke", client_id | {"token": expired}).status_code == 200
    assert not RevokedToken.objects.exists()


def test_another_clients_token_is_not_touched(charlies_number, client_id):
    generation = factories.secret(charlies_number).row.generation
    theirs = tokens.issue(charlies_number.app_id, generation)[0]
    assert outcome(post("/oauth2/revoke", client_id | {"token": theirs})) == (
        400,
        "invalid_request",
    )
    assert works(theirs)


def test_a_stranger_revokes_nothing(number, token):
    form = {"client_id": number.app_id, "client_secret": credentials.new_secret(), "token": token}
    assert outcome(post("/oauth2/revoke", form)) == (401, "invalid_client")
    assert works(token)


def test_revoking_wants_a_token(client_id):
    assert outcome(post("/oauth2/revoke", client_id)) == (400, "invalid_request")


def test_revoking_counts_as_a_request_of_the_app(client_id, token, settings):
    settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST = 0.1, 1
    statuses = [post("/oauth2/revoke", client_id | {"token": token}).status_code for _ in "12"]
    assert statuses == [200, 429]


def test_while_another_change_waits_for_valkey_it_says_so_at_once(client_id, token, monkeypatch):
    monkeypatch.setattr("portal.app_records._Waiting.changes", 1)
    answer = post("/oauth2/revoke", client_id | {"token": token})
    assert outcome(answer) == (503, "server_error")
    assert answer.headers["Retry-After"] == "5"


# Metadata ---------------------------------------------------------------------------------------


def test_the_metadata_names_the_doors(client, settings):
    settings.SITE_URL = "https://robots.example.org"
    found = client.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == "https://robots.example.org"
    assert found["token_endpoint"] == "https://robots.example.org/oauth2/token"
    assert found["revocation_endpoint"] == "https://robots.example.org/oauth2/revoke"
    assert found["grant_types_supported"] == ["client_credentials"]
