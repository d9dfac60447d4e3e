"""What the call log has to know of a call and only the code that answers it can say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_KEY = "fuwuhao.call"
_APP_ID = re.compile(r"[A-Za-z0-9]{1,18}")


class _WithMeta(Protocol):
    """A request: Django's, or DRF's around it, which share one META."""

    @property
    def META(self) -> Mapping[str, Any]: ...  # noqa: N802  (Django's name)


@dataclass
class CallFacts:
    """`app_id` is what the caller names himself; whose it is, if anybody's, is looked up later."""

    number_id: int | None = None
    app_id: str = ""
    code: int = 0

    def name_app(self, app_id: str) -> None:
        """The number that the caller speaks for, whether it is let in or not. Costs no query."""
        if _APP_ID.fullmatch(app_id):
            self.app_id = app_id


def begin(meta: dict[str, Any]) -> CallFacts:
    """Facts for a request that begins, kept in its META."""
    facts = meta[_KEY] = CallFacts()
    return facts


def facts_of(request: _WithMeta) -> CallFacts:
    """The facts of the request, to be changed; loose ones where nobody records it."""
    found: CallFacts = request.META.get(_KEY) or CallFacts()
    return found
