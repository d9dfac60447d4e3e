"""WeChat's doors: HTTP 200 always, errcode and errmsg; and the old GET doors, which are off."""

import pytest

from portal import credentials
from portal.models import State
from tests import factories
from tests.conftest import DdioClient

pytestmark = pytest.mark.django_db
GRANT = {"grant_type": "client_credential"}


@pytest.fixture
def app(number) -> dict[str, str]:
    return {"appid": number.app_id, "secret": factories.secret(number).clear}


@pytest.fixture
def legacy(settings) -> None:
    settings.DDIO_LEGACY_DOORS = True


def take(body: dict[str, object]):
    return DdioClient().post("/cgi-bin/stable_token", body)


def outcome(answer) -> tuple[int, int]:
    return answer.status_code, answer.json()["errcode"]


def test_it_gives_a_token_in_wechats_words(app):
    answer = take(GRANT | app)
    assert outcome(answer) == (200, 0)
    assert answer.json()["expires_in"] == 7200
    assert DdioClient(answer.json()["access_token"]).get("chat/feedback").status_code == 200


@pytest.mark.parametrize("force", [True, False, "yes", None])
def test_a_forced_refresh_kills_nothing(app, force):
    first = take(GRANT | app).json()["access_token"]
    take(GRANT | app | {"force_refresh": force})
    assert DdioClient(first).get("chat/feedback").status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"grant_type": "password"}, 40002),
        ({"grant_type": "x" * 99}, 40002),
        ({"appid": "wx0123456789abcdef"}, 40013),
        ({"appid": ""}, 41002),
        ({"secret": None}, 41004),
        ({"secret": "fwsk_wrong"}, 40125),
        ({"secret": 7}, 47001),
    ],
)
def test_errors_are_told_under_200(app, change, code):
    answer = take(GRANT | app | change)
    assert outcome(answer) == (200, code)
    assert answer.json()["errmsg"] == answer.json()["msg"]


def test_a_silenced_number_gets_none(number, app):
    factories.put(number, State.SUSPENDED)
    assert outcome(take(GRANT | app)) == (200, 50002)


def test_broken_json_is_told_under_200():
    answer = DdioClient().post("/cgi-bin/stable_token", b"{")
    assert outcome(answer) == (200, 47001)


def test_what_is_no_door_of_wechats_is_not_found():
    answer = DdioClient().call("GET", "/cgi-bin/menu/get")
    assert (answer.status_code, answer.json()["errcode"]) == (404, 40404)


# The old doors: not in the schema ---------------------------------------------------------------


def test_wechats_old_door_is_shut(client, app):
    assert outcome(client.get("/cgi-bin/token", GRANT | app)) == (200, 40404)


def test_wechats_old_door_opens_by_setting(client, app, legacy):
    assert outcome(client.get("/cgi-bin/token", GRANT | app)) == (200, 0)


def test_wechats_old_door_refuses_as_the_new_one(client, number, legacy):
    wrong = {"appid": number.app_id, "secret": credentials.new_secret()}
    assert outcome(client.get("/cgi-bin/token", GRANT | wrong)) == (200, 40125)


def test_ddios_old_door_opens_by_setting(client, app, legacy):
    query = {"appID": app["appid"], "appSecret": app["secret"]}
    assert client.get("/platform/api2/token", query).status_code == 200


def test_ddios_methods_are_named_as_they_are(legacy):
    answer = DdioClient().call("PUT", "token")
    assert answer.headers["Allow"] == "POST, GET, HEAD"
