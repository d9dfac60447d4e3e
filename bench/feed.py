"""The feed page in feeds of 10⁴, 10⁵ and 10⁶ answers: `python -m bench.feed` (two minutes).

The first page and a page deep in the feed, over HTTP and in this process, beside the same page by
DRF's CursorPagination and a ModelSerializer: over the same rows, by the same index, with the same
renderer and middleware. Authentication and limit would cost both the same and are left out on both
sides; how the two compare with them is printed at the end, of the largest feed.
`python -m bench.feed --plans` prints the query plans.
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
WITHOUT = {"ours": "/platform/bench/open/feed", "DRF": "/platform/bench/open/drf"}
WITH = {"ours": "/platform/api2/chat/feedback", "DRF": "/platform/bench/drf"}


def numbers() -> dict[int, ServiceNumber]:
    made = {size: factories.number() for size in SIZES}
    for size, number in made.items():
        fill(number, size)
    settle_down()
    return made


def calls(size: int, number: ServiceNumber) -> dict[str, Call]:
    """The first page and a deep one, each by us and by DRF, side by side."""
    deep = size * 9 // 10
    position = base64.b64encode(f"p={deep}".encode()).decode()
    of = {"X-Number": str(number.pk)}
    power = f"10^{len(str(size)) - 1}"
    return {
        f"{power} ours, first page": Call(WITHOUT["ours"], "", of),
        f"{power} DRF, first page": Call(WITHOUT["DRF"], "", of),
        f"{power} ours, deep page": Call(f"{WITHOUT['ours']}?cursor={deep}", "", of),
        f"{power} DRF, deep page": Call(f"{WITHOUT['DRF']}?cursor={position}", "", of),
    }


def calls_with_token(number: ServiceNumber) -> dict[str, Call]:
    secret = factories.secret(number)
    token, _seconds = tokens.issue(number.app_id, secret.row.generation)
    headers = {"Authorization": f"Bearer {token}"}
    return {f"with token, {who}": Call(path, "", headers) for who, path in WITH.items()}


def measure(goals: Goals, asked: dict[str, Call]) -> None:
    with serving(ASGI) as site:
        contestants = {name: (site, call) for name, call in asked.items()}
        found = stage.in_turns(contestants, ROUNDS, SECONDS)
    for name, loads in found.items():
        inside = _inside(asked[name])
        print(f"{name:22} {stage.middle(loads)}  {inside:6.0f} µs CPU in this process")
    pages = [name for name in found if "ours" in name and "page" in name]
    rates = [stage.middle(found[name]).rate for name in pages]
    goals.at_most("our pages, the quickest by the slowest", max(rates) / min(rates), 1.3)
    for name in pages:
        theirs = found[name.replace("ours", "DRF")]
        goals.at_least(f"{name}, times DRF's rate", stage.ratio(found[name], theirs), 3)
    with_token = stage.ratio(found["with token, ours"], found["with token, DRF"])
    print(f"       with authentication and limit on both sides: {with_token:.2f}")


def _inside(call: Call) -> float:
    names = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in call.headers}
    headers = {names[name]: value for name, value in call.headers.items()}
    return microseconds(asking(call.path, **headers), 0.5)


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
            some = [calls(size, number) for size, number in made.items()]
            some.append(calls_with_token(made[SIZES[-1]]))
            measure(goals, {name: call for asked in some for name, call in asked.items()})
    goals.leave()


if __name__ == "__main__":
    main()
