"""What goes out: always JSON, whatever was asked for (no 406)."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request


class JsonRenderer(JSONRenderer):
    """UTF-8 JSON with the charset named: some SDKs guess otherwise."""

    charset = "utf-8"
    ensure_ascii = False

    def get_indent(
        self, accepted_media_type: str, renderer_context: Mapping[str, Any]
    ) -> int | None:
        return None


class AlwaysJson(BaseContentNegotiation):
    """Never 406 and never 415: the first renderer and the first parser serve every request."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type or "application/json"


def envelope(result: Any, request_id: str) -> dict[str, Any]:
    return {"code": 0, "msg": "ok", "result": result, "request_id": request_id}
