"""The operations of the open interface: its routes by name, with the path that each is known by."""

import functools
import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

from portal.request_ids import MACHINE_PATHS

# Read by people and tools that look at the interface, not by those who call it.
NO_CALLS = {"ddio-schema", "ddio-docs", "ddio-calls"}
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


def _walk(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, str]]:
    for each in patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, path)
        elif each.name and path.startswith(MACHINE_PATHS) and each.name not in NO_CALLS:
            yield each.name, _ARGUMENT.sub(r"{\1}", path)


@functools.cache
def paths() -> dict[str, str]:
    """The path of each operation, its arguments in braces, as the documentation writes it."""
    return dict(_walk(get_resolver().url_patterns, "/"))
