"""Whether a response keeps what the schema promises of its operation."""

import json
from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

BASE = "/platform/api2/"
OPENAI = "/v1/"
OF_A_STANDARD = (OPENAI, "/.well-known/")  # bodies whose members are not ours to choose
ALIKE_EVERYWHERE = (404, 405)  # an unknown path, a wrong method: of no operation


@cache
def schema() -> dict[str, Any]:
    generated = SchemaGenerator().get_schema(public=True)
    plain: dict[str, Any] = json.loads(json.dumps(generated, default=str))
    return plain


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of every operation."""
    return [
        (path, method, operation)
        for path, methods in schema()["paths"].items()
        for method, operation in methods.items()
    ]


def _matches(template: str, path: str) -> bool:
    wanted = template.split("/")
    # An openID, at the end of its path, may hold slashes.
    given = path.split("/", len(wanted) - 1 if wanted[-1] == "{open_id}" else -1)
    return len(wanted) == len(given) and all(
        want == give or (give and want.startswith("{"))
        for want, give in zip(wanted, given, strict=True)
    )


def _operation(response: HttpResponse) -> dict[str, Any] | None:
    path, method = response.request["PATH_INFO"], response.request["REQUEST_METHOD"].lower()
    found = [each for template, verb, each in operations() if verb == method
             and _matches(template, path)]  # fmt: skip
    return found[0] if found else None


def checked(response: HttpResponse) -> HttpResponse:
    """The response itself; AssertionError where it is not what the schema says."""
    assert response.headers["X-Request-ID"]
    if response.request["PATH_INFO"].startswith((f"{BASE}schema", f"{BASE}docs")):
        return response
    operation = _operation(response)
    if response.headers.get("Content-Type") == "text/event-stream":
        assert operation
        assert "text/event-stream" in operation["responses"]["200"]["content"]
    elif response.status_code != 204 and response.request["REQUEST_METHOD"] != "HEAD":
        _check_json(response, operation)
    return response


def _check_json(response: HttpResponse, operation: dict[str, Any] | None) -> None:
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    body = json.loads(response.content)
    if not response.request["PATH_INFO"].startswith(OF_A_STANDARD):
        assert body["request_id"] == response.headers["X-Request-ID"]
    if operation is None:
        assert response.status_code in ALIKE_EVERYWHERE or response.status_code == 401
        return
    promised = operation["responses"].get(str(response.status_code))
    assert promised, f"the schema does not know status {response.status_code} here"
    content = promised["content"]["application/json"]
    _check_shape(content["schema"], body)
    if is_error(body):
        assert code_of(body) in {code_of(example["value"]) for example in examples(content)}


def examples(content: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(content["examples"].values())
    return found


def is_error(body: dict[str, Any]) -> bool:
    return "error" in body or bool(body.get("code"))


def code_of(body: dict[str, Any]) -> Any:
    """What a caller tells errors by: the envelope's code, or OpenAI's type and code."""
    if isinstance(body.get("error"), dict):
        return body["error"]["type"], body["error"]["code"]
    return body["code"]


def _check_shape(shape: dict[str, Any], body: Any) -> None:
    Draft202012Validator({"components": schema()["components"], **shape}).validate(body)
