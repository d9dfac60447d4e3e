"""The schema and the page: valid, complete, and true (conftest holds every response against it)."""

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ddio_api.errors import TABLE, DdioError
from ddio_api.openai_door.errors import ROWS, row_of
from tests.ddio_api import conformance
from tests.ddio_api.conformance import operations

PATH = "/platform/api2/schema/"
DOCS = "/platform/api2/docs/"
OPERATIONS = [(f"{method} {path}", operation) for path, method, operation in operations()]
ENVELOPED = [(name, each) for name, each in OPERATIONS if conformance.BASE in name]
OPENAI = [(name, each) for name, each in OPERATIONS if conformance.OPENAI in name]


def each_of(some):
    return pytest.mark.parametrize("operation", [each for _, each in some], ids=dict(some))


EACH = each_of(OPERATIONS)
HAN = re.compile("[\u4e00-\u9fff]")


def contents(operation):
    """(status, media type, content) of everything that the operation takes and gives."""
    given = [("request", operation["requestBody"])] if "requestBody" in operation else []
    return [
        (status, media_type, content)
        for status, one in [*given, *operation["responses"].items()]
        for media_type, content in one.get("content", {}).items()
    ]


def test_it_is_valid_openapi_3_1(client):
    served = client.get(PATH).json()
    assert served["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(served).iter_errors()) == []


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/xml", "image/png"])
def test_it_is_json_by_default(client, accept):
    answer = client.get(PATH, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "accept", ["application/yaml", "text/yaml;q=0.9", "application/vnd.oai.openapi"]
)
def test_it_is_yaml_on_request(client, accept):
    answer = client.get(PATH, headers={"Accept": accept})
    assert "openapi" in answer.headers["Content-Type"]
    assert yaml.safe_load(answer.content) == client.get(PATH).json()


def test_it_needs_no_token_and_says_its_request_id(client):
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.headers["X-Request-ID"].startswith("req_")


def test_it_names_every_door():
    assert {path for path, _method, _operation in operations()} == {
        "/platform/api2/token",
        "/platform/api2/chat/send",
        "/platform/api2/chat/feedback",
        "/platform/api2/chat/feedback/{message_id}",
        "/platform/api2/chat/feedback/{message_id}/stream",
        "/oauth2/token",
        "/oauth2/revoke",
        "/.well-known/oauth-authorization-server",
        "/cgi-bin/stable_token",
        "/platform/api2/message/send",
        "/platform/api2/followers",
        "/platform/api2/chat/feedback/{message_id}/rating",
        "/platform/api2/chat/cancel",
        "/platform/api2/chat/conversations",
        "/platform/api2/chat/conversations/{conversation_id}/messages",
        "/platform/api2/people/{open_id}",
        "/platform/api2/quota",
        "/platform/api2/usage",
        "/v1/chat/completions",
        "/v1/models",
        "/v1/models/{model}",
    }


@EACH
def test_every_operation_says_what_it_is_for(operation):
    assert operation["summary"]
    assert operation["operationId"]


@EACH
def test_everything_that_is_taken_or_given_has_an_example(operation):
    without = [(status, kind) for status, kind, content in contents(operation)
               if not content.get("examples")]  # fmt: skip
    assert without == []


def documents(kind: str, value: Any) -> list[Any]:
    """What the schema speaks of: the body, or each event of a stream."""
    if kind != "text/event-stream":
        return [value]
    blocks = [block for block in value.split("\n\n") if block and not block.startswith(":")]
    events = [block.splitlines() for block in blocks]
    return [dict(line.split(": ", 1) for line in event) for event in events]


@EACH
def test_every_example_is_what_the_schema_says(operation):
    components = {"components": conformance.schema()["components"]}
    wrong = [
        (status, error.message)
        for status, kind, content in contents(operation)
        for example in content["examples"].values()
        for document in documents(kind, example["value"])
        for error in Draft202012Validator(components | content["schema"]).iter_errors(document)
    ]
    assert wrong == []


@each_of(ENVELOPED)
def test_every_operation_lists_the_errors_of_everyone(operation):
    listed = listed_errors(operation)
    everyones = {-1, 47001, 45011, 50002}
    assert everyones <= listed
    assert "503" in operation["responses"]


@each_of(OPENAI)
def test_every_operation_of_openais_lists_the_errors_of_everyone(operation):
    everyones = [row_of(DdioError(code)) for code in (-1, 40001, 45011, 47001, 50002)]
    assert {(row.type, row.code) for row in everyones} <= listed_errors(operation)


@each_of(ENVELOPED)
def test_every_operation_with_a_token_lists_what_may_be_wrong_with_it(operation):
    missing = {40001, 41001, 42001} - listed_errors(operation)
    assert not missing or {"bearer": []} not in operation.get("security", [])


def listed_errors(operation) -> set[object]:
    examples = [
        example["value"]
        for status, _kind, content in contents(operation)
        if status.startswith(("4", "5"))
        for example in content["examples"].values()
    ]
    return {conformance.code_of(example) for example in examples}


def test_every_code_of_the_table_is_listed_somewhere():
    listed = set().union(*[listed_errors(operation) for _name, operation in OPERATIONS])
    assert set(TABLE) - listed == {43002}


def test_every_row_of_openais_table_is_listed_somewhere():
    listed = set().union(*[listed_errors(operation) for _name, operation in OPENAI])
    rows = {(row.type, row.code) for row in ROWS.values()}
    of_no_operation = {"method_not_supported", "unknown_url"}
    assert {code for _kind, code in rows - listed} == of_no_operation


def test_every_error_is_listed_under_its_status():
    wrong = [
        (status, example["value"]["code"])
        for _name, operation in ENVELOPED
        for status, _kind, content in contents(operation)
        for example in content["examples"].values()
        if status.startswith("4")
        if TABLE[example["value"]["code"]].status != int(status)
    ]
    assert wrong == []


def test_the_limits_are_those_of_the_code():
    sent = conformance.schema()["components"]["schemas"]["SendRequest"]["properties"]
    assert sent["openID"]["maxLength"] == 64
    assert [one["type"] for one in sent["message"]["oneOf"]] == ["string", "object"]


def test_summaries_are_in_the_callers_language(client):
    served = client.get(PATH, headers={"Accept-Language": "zh-Hans"}).json()
    assert HAN.search(served["paths"]["/platform/api2/chat/send"]["post"]["summary"])


# The page ----------------------------------------------------------------------------------------


def test_the_page_has_nothing_inline(client):
    page = client.get(DOCS).content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page) == []


def test_the_page_is_under_the_strict_policy(client):
    policy = client.get(DOCS).headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def loaded_by(page: str) -> list[str]:
    return re.findall(r'<(?:script|img|link)\b[^>]*\b(?:src|href)="([^"]+)"', page)


def test_everything_that_the_page_loads_comes_from_here(client):
    loaded = loaded_by(client.get(DOCS).content.decode())
    assert len(loaded) >= 4
    assert [url for url in loaded if not url.startswith("/") or url.startswith("//")] == []


def test_what_the_page_loads_is_there(client):
    loaded = loaded_by(client.get(DOCS).content.decode())
    assert {client.get(url).status_code for url in loaded} == {200}


def test_the_pages_script_names_our_schema(client):
    page = client.get(DOCS).content.decode()
    script = re.findall(r'src="([^"]*script[^"]*)"', page)[0]
    answer = client.get(script)
    assert "javascript" in answer.headers["Content-Type"]
    assert PATH in answer.content.decode()


@pytest.mark.parametrize(("language", "code"), [("en", "en"), ("zh-CN", "zh-hans")])
def test_the_page_is_in_the_readers_language(client, language, code):
    page = client.get(DOCS, headers={"Accept-Language": language}).content.decode()
    assert f'<html lang="{code}">' in page


def test_the_schema_is_the_same_each_time(client):
    first, second = client.get(PATH).content, client.get(PATH).content
    assert json.loads(first) == json.loads(second)
