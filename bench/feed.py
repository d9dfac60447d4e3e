"""The feed page in feeds of 10⁴, 10⁵ and 10⁶ answers: `python -m bench.feed` (two minutes).

The first page and a page deep in the feed, over HTTP and in this process, beside the same page by
DRF's CursorPagination and a ModelSerializer: over the same rows and by the same index, in the same
frame (authentication, limit, renderer). `python -m bench.feed --plans` prints the query plans.
"""

import base64
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import connection

from bench import stage
from bench.feed_rows import fill, settle_down
from bench.shares import asking, microseconds
from bench.stage import ASGI, Call, Goals, serving
from bots import feed
from bots.models import FeedEntry
from ddio_api import tokens
from portal.models import ServiceNumber
from tests import factories

# Others by the command line: `python -m bench.feed 1000 10000`.
SIZES = [int(word) for word in sys.argv if word.isdigit()] or [10_000, 100_000, 1_000_000]
ROUNDS, SECONDS = 5, 1.0
PATH, DRF_PATH = "/platform/api2/chat/feedback", "/platform/bench/feed"


def numbers() -> dict[int, ServiceNumber]:
    made = {size: factories.number() for size in SIZES}
    for size, number in made.items():
        fill(number, size)
    settle_down()
    return made


def calls(size: int, number: ServiceNumber) -> dict[str, Call]:
    token, _seconds = tokens.issue(number.app_id, factories.secret(number).row.generation)
    headers = {"Authorization": f"Bearer {token}"}
    deep = size * 9 // 10
    position = base64.b64encode(f"p={deep}".encode()).decode()
    paths = {
        "ours, first page": PATH,
        "DRF, first page": DRF_PATH,
        "ours, deep page": f"{PATH}?cursor={deep}",
        "DRF, deep page": f"{DRF_PATH}?cursor={position}",
    }
    return {
        f"10^{len(str(size)) - 1} {name}": Call(path, "", headers) for name, path in paths.items()
    }


def measure(goals: Goals, asked: dict[str, Call]) -> None:
    with serving(ASGI) as site:
        contestants = {name: (site, call) for name, call in asked.items()}
        found = stage.in_turns(contestants, ROUNDS, SECONDS)
    inside = {
        name: microseconds(asking(call.path, HTTP_AUTHORIZATION=call.headers["Authorization"]), 0.5)
        for name, call in asked.items()
    }
    for name, loads in found.items():
        print(f"{name:22} {stage.middle(loads)}  {inside[name]:6.0f} µs CPU in this process")
    ours = [stage.middle(loads).rate for name, loads in found.items() if "ours" in name]
    goals.at_most("our pages, the quickest by the slowest", max(ours) / min(ours), 1.3)
    for name, loads in found.items():
        if "ours" in name:
            theirs = found[name.replace("ours", "DRF")]
            goals.at_least(f"{name}, times DRF's rate", stage.ratio(loads, theirs), 3)


# Plans ------------------------------------------------------------------------------------------


def queries(number: ServiceNumber, size: int) -> dict[str, feed.Query]:
    deep = size * 9 // 10
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    def at(cursor: int, **filters: object) -> feed.Query:
        return feed.Query(number.pk, cursor, filters=feed.Filters(**filters))  # type: ignore[arg-type]

    return {
        "first page": at(0),
        "deep page": at(deep),
        "status=failed": at(deep, status="failed"),
        "status=cancelled, of which there is none": at(0, status="cancelled"),
        "rating=like": at(deep, rating="like"),
        "rating=dislike, of which there is none": at(0, rating="dislike"),
        "openID": at(0, open_id="person-7"),
        "openID that nobody has": at(0, open_id="nobody"),
        "openID and status, of which there is none": at(0, open_id="person-7", status="cancelled"),
        "begin an hour ago": at(0, begin=hour_ago),
        "end an hour ago, from far behind it": at(size - 100, end=hour_ago),
    }


def show_plans(number: ServiceNumber, size: int) -> None:
    for name, query in queries(number, size).items():
        page, statements = _read(query)
        told = f"next_cursor {page.next_cursor}, has_more {page.has_more}"
        print(f"\n=== {name}: {len(page.entries)} entries, {told}")
        for sql in statements:
            _explain(sql)


def _read(query: feed.Query) -> tuple[feed.Page, list[str]]:
    """The page, and the statements that it took, with their parameters in them."""
    run: list[str] = []

    def note(execute: Callable, sql: str, params: object, many: bool, context: object) -> object:
        run.append(connection.cursor().mogrify(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        return feed.read(query), run


def _explain(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}")
        for (line,) in cursor.fetchall():
            print(f"  {line}")


def main() -> None:
    goals = Goals()
    with stage.platform():
        made = numbers()
        print(f"{FeedEntry.objects.count():,} entries in {len(made)} feeds")
        if "--plans" in sys.argv:
            show_plans(made[SIZES[-1]], SIZES[-1])
        else:
            asked = [calls(size, number) for size, number in made.items()]
            measure(goals, {name: call for some in asked for name, call in some.items()})
    goals.leave()


if __name__ == "__main__":
    main()
