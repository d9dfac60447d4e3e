"""Links of OpenAPI: which call takes the ids that another one's answer names.

They are read off the schema itself. Where the example of an answer has an id, a link leads from
there to every operation that wants this id in its path or in its body.
"""

from collections.abc import Iterator, Mapping
from typing import Any

# What our own schema calls an id, and what path parameters call it.
IDS = {"messageID": "message_id", "conversationID": "conversation_id", "openID": "open_id"}
JSON = "application/json"

Operation = dict[str, Any]


def add_links(result: Operation, generator: Any, request: Any, public: bool) -> Operation:
    """A postprocessing hook of drf-spectacular's; the arguments are its own."""
    operations = list(_operations(result))
    for source in operations:
        for status, response in source["responses"].items():
            named = _named(response)
            links = dict(_links(source, operations, named)) if status.startswith("2") else {}
            if links:
                response["links"] = links
    return result


def _operations(schema: Operation) -> Iterator[Operation]:
    for methods in schema["paths"].values():
        yield from (each for each in methods.values() if "operationId" in each)


def _example(place: Mapping[str, Any]) -> Any:
    examples = place.get("content", {}).get(JSON, {}).get("examples", {})
    return next((example.get("value") for example in examples.values()), None)


def _named(response: Mapping[str, Any]) -> dict[str, str]:
    """Each id that the answer has, with the expression that finds it."""
    example = _example(response)
    found = example.get("result") if isinstance(example, dict) else None
    path = "#/result"
    if isinstance(found, dict) and found.get("items"):
        found, path = found["items"][0], "#/result/items/0"
    if not isinstance(found, dict):
        return {}
    return {name: f"$response.body{path}/{name}" for name in IDS if name in found}


def _links(
    source: Operation, operations: list[Operation], named: dict[str, str]
) -> Iterator[tuple[str, Operation]]:
    for target in operations:
        name = target["operationId"]
        if name == source["operationId"]:
            continue
        in_path = [each["name"] for each in target.get("parameters", ()) if each["in"] == "path"]
        spelled = {IDS[known]: expression for known, expression in named.items()} | named
        body = _example(target.get("requestBody", {}))
        if in_path and all(each in spelled for each in in_path):
            parameters = {f"path.{each}": spelled[each] for each in in_path}
            yield name, {"operationId": name, "parameters": parameters}
        elif isinstance(body, dict) and "messageID" in body and "messageID" in named:
            taken = {"messageID": named["messageID"]}
            yield name, {"operationId": name, "requestBody": taken}
