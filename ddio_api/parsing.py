"""What comes in: parsed by content, because some SDKs post JSON without a content type."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn
from urllib.parse import parse_qsl

from django.utils.translation import gettext as _
from rest_framework.parsers import BaseParser

from ddio_api.errors import DdioError

BODY_BYTES_AT_MOST = 1024 * 1024
FIELDS_AT_MOST = 100


def _refuse(sentence: str) -> NoReturn:
    raise DdioError(47001, sentence, fields={"body": [sentence]})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key that comes twice means different things to different readers: refuse it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        _refuse(_("The JSON names a key twice."))
    return found


def _no_constant(name: str) -> NoReturn:
    _refuse(_("The JSON holds %(name)s, which is not a number.") % {"name": name})


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object; raises 47001 for anything else, however deep, huge or twisted."""
    try:
        found = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except RecursionError:
        _refuse(_("The JSON is nested too deeply."))
    except ValueError:  # not UTF-8, not JSON, or a number of thousands of digits
        _refuse(_("The body is not valid JSON."))
    if not isinstance(found, dict):
        _refuse(_("The body must be a JSON object."))
    return found


def parse_form(encoded: bytes) -> dict[str, str]:
    """Fields of a form or a query; raises 47001 for what is not UTF-8, too many, or told twice."""
    try:
        pairs = parse_qsl(
            encoded.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS_AT_MOST,
        )
    except UnicodeDecodeError:
        _refuse(_("The fields are not valid UTF-8."))
    except ValueError:
        _refuse(_("There are too many fields."))
    fields = dict(pairs)
    if len(fields) < len(pairs):
        _refuse(_("A field is given twice."))
    return fields


class AnyBodyParser(BaseParser):
    """JSON whatever the content type says; a form where it says form and looks like one."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        body = stream.read(BODY_BYTES_AT_MOST + 1)
        if len(body) > BODY_BYTES_AT_MOST:
            raise DdioError(45002)
        text = body.strip()
        if not text:
            return {}
        is_form = (media_type or "").startswith("application/x-www-form-urlencoded")
        if is_form and not text.startswith(b"{"):
            return parse_form(text)
        return parse_json(text)
