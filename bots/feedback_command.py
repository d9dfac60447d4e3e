"""The call of the open interface that fetches what a page of feedback results shows."""

import shlex
from collections.abc import Mapping

from django.conf import settings
from django.urls import reverse

from bots.feed import View

HEADER = '"Authorization: Bearer $ACCESS_TOKEN"'  # in double quotes: the shell puts the token in


def curl_line(view: View, given: Mapping[str, str]) -> str:
    """One line for a shell; whatever a filter holds stays inside its own quotes."""
    query = dict(given)
    if view.entries:
        # The interface reads upwards: from just below the page's oldest entry.
        query |= {"cursor": str(view.entries[-1].seq - 1), "limit": str(len(view.entries))}
    words = ["curl", "-G", shlex.quote(settings.SITE_URL + reverse("ddio-feed")), "-H", HEADER]
    for name, value in query.items():
        words += ["--data-urlencode", shlex.quote(f"{name}={value}")]
    return " ".join(words)
