"""What a provider's moderation says of a text: OpenAI's `POST /moderations`, its reply read."""

from typing import Any

from bots.provider_faults import UnreadableReplyError, scrub

CATEGORIES_AT_MOST = 20
CATEGORY_LENGTH_AT_MOST = 60
UNNAMED = "flagged"


def flagged(reply: object, api_key: str) -> list[str]:
    """The names of the categories that the text was flagged for; none where it was not.

    They are kept in the database, where no key may stand in clear. Raises UnreadableReplyError.
    """
    results = reply.get("results") if isinstance(reply, dict) else None
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise UnreadableReplyError("the moderation holds no results")
    names: list[str] = []
    for result in results:
        if result.get("flagged") is True:
            names += _names(result.get("categories")) or [UNNAMED]
    known = dict.fromkeys(scrub(name[:CATEGORY_LENGTH_AT_MOST], api_key) for name in names)
    return list(known)[:CATEGORIES_AT_MOST]


def _names(categories: Any) -> list[str]:
    if not isinstance(categories, dict):
        return []
    return [str(name) for name, holds in categories.items() if holds is True]
