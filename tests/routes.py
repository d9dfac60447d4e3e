"""Every route of the site, as the URL conf has it: tests that must forget none begin here."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver


def _walk(patterns: list[URLPattern | URLResolver], namespace: str) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, inner)
        elif pattern.name:
            yield namespace + pattern.name


def names() -> list[str]:
    """The names of all routes, each once, with their namespaces. Ours all have one; Django's
    admin has a few without, which only lead to those that have."""
    return list(dict.fromkeys(_walk(get_resolver().url_patterns, "")))
