"""The page of calls to copy; that they work is tested in tests/clients."""

import html
import re

import pytest

from ddio_api import snippets
from portal.models import ServiceNumber
from tests.conftest import page

PATH = "/platform/api2/docs/calls/"
LANGUAGES = pytest.mark.parametrize("language", snippets.LANGUAGES)


def programs(shown: str) -> str:
    """All code of the page, as a reader copies it."""
    found = re.findall(r"<pre [^>]*><code [^>]*>(.*?)</code></pre>", shown, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", "".join(found)))


def names(shown: str) -> list[str]:
    return re.findall(r'<pre [^>]*aria-label="([^"]+)"', shown)


@LANGUAGES
def test_every_subject_has_a_program(client, db, language):
    shown = page(client.get(PATH, {"in": language}))
    sections = shown.split('<section class="calls-subject"')[1:]
    assert [len(names(section)) > 0 for section in sections] == [True] * len(snippets.SUBJECTS)


def test_every_program_is_on_the_page(client, db):
    shown = [
        name for code in snippets.LANGUAGES for name in names(page(client.get(PATH, {"in": code})))
    ]
    assert sorted(shown) == sorted(file.name for file in snippets.DIRECTORY.iterdir())


@LANGUAGES
def test_it_has_the_sites_own_address(client, db, settings, language):
    settings.SITE_URL = "https://robots.example.org"
    shown = programs(page(client.get(PATH, {"in": language})))
    assert "https://robots.example.org/platform/api2" in shown
    assert "localhost" not in shown


@LANGUAGES
def test_it_fills_in_the_owners_appid(as_alice, number: ServiceNumber, language):
    shown = programs(page(as_alice.get(PATH, {"in": language, "app": number.app_id})))
    assert number.app_id in shown
    assert "APP_ID" not in shown


@LANGUAGES
def test_the_secret_comes_from_the_environment(as_alice, number: ServiceNumber, language):
    shown = programs(page(as_alice.get(PATH, {"in": language, "app": number.app_id})))
    assert "APP_SECRET" in shown
    assert "fwsk_" not in shown


@pytest.mark.parametrize("app_id", ["foreign", "fw0000000000000000", "\0", "x" * 300])
def test_what_is_not_the_readers_own_is_not_filled_in(as_alice, charlies_number, app_id):
    asked = charlies_number.app_id if app_id == "foreign" else app_id
    response = as_alice.get(PATH, {"in": "curl", "app": asked})
    assert response.status_code == 200
    assert "$APP_ID" in programs(page(response))
    assert charlies_number.app_id not in programs(page(response))


def test_a_stranger_gets_nothing_filled_in(client, number: ServiceNumber):
    shown = programs(page(client.get(PATH, {"app": number.app_id})))
    assert "$APP_ID" in shown
    assert number.app_id not in shown


def test_an_unknown_language_is_curl(client, db):
    assert "take_token.sh" in page(client.get(PATH, {"in": "cobol"}))


def test_a_wrong_method_gets_the_interfaces_own_error(client, db):
    response = client.post(PATH)
    assert (response.status_code, response.json()["code"]) == (405, 43002)


@pytest.mark.parametrize("section", ["credentials", "feedback"])
def test_the_pages_of_a_number_lead_there(as_alice, number: ServiceNumber, section):
    shown = page(as_alice.get(f"/console/numbers/{number.app_id}/{section}/"))
    assert f"{PATH}?app={number.app_id}" in shown


def test_the_docs_lead_there(client, db):
    assert PATH in page(client.get("/platform/api2/docs/"))
