"""What one worker process holds: `python -m bench.in_flight` (four minutes).

500 answers of 10 s each at once, then 2,000 of them queued, then the fair share: number A's
provider hangs while it has 1,000 questions, number B asks 50 of an instant one. Times to the claim
are taken from the first call that the upstream saw of a message. On PostgreSQL, and with
`DATABASE_URL=sqlite` on the embedded stack; WORKER_CONCURRENCY as in the environment.

`python -m bench.in_flight fairness`, or `once`, or `queued`: that alone.
"""

import asyncio
import json
import sys
import time
import urllib.request
from statistics import median

import uvloop
from django.conf import settings

from bench import pipeline, stage
from bench.askers import Line, percentile
from bench.pipeline import App, Pipeline, metered, watching
from bench.stage import ON_SQLITE, Goals
from bots.models import Message

NUMBERS, AT_ONCE, QUEUED = 25, 500, 2_000
ANSWER_SECONDS = 10
LINES = 32
HANGING, QUICK, QUICK_LINES = 1_000, 50, 5
WAIT_SECONDS = 60


# Asking -----------------------------------------------------------------------------------------


def send_all(running: Pipeline, apps: list[App], count: int, mark: str) -> float:
    """So many questions, each of a person of his own, one number after the other; seconds."""
    requests = [apps[i % len(apps)].send(f"{mark}-{i}") for i in range(count)]
    began = time.perf_counter()
    uvloop.run(_send(running.web.port, requests))
    return time.perf_counter() - began


async def _send(port: int, requests: list[bytes]) -> None:
    async def on(line: Line, some: list[bytes]) -> None:
        for request in some:
            answer = await line.ask(request)
            if b"HTTP/1.1 202" not in answer:
                raise SystemExit(f"not accepted: {answer[:400]!r}")

    lines = [await Line.to(port) for _ in range(LINES)]
    await asyncio.gather(*(on(line, requests[i::LINES]) for i, line in enumerate(lines)))
    for line in lines:
        line.close()


def wait_until_settled(apps: list[App], seconds: float) -> None:
    """Or until the time is up."""
    deadline = time.monotonic() + seconds
    numbers = [one.number.pk for one in apps]
    while Message.objects.unsettled().filter(number__in=numbers).exists():
        if time.monotonic() > deadline:
            return
        time.sleep(0.5)


def arrivals(running: Pipeline) -> dict[str, float]:
    """When the upstream was first asked, by message."""
    url = f"http://127.0.0.1:{running.upstream.port}/arrivals"
    with urllib.request.urlopen(url, timeout=20) as answer:
        found: dict[str, float] = json.load(answer)
    return found


def seconds_to_claim(running: Pipeline, apps: list[App]) -> list[float]:
    seen = arrivals(running)
    asked = Message.objects.filter(number__in=[one.number.pk for one in apps])
    return [
        seen[pk] - at.timestamp() for pk, at in asked.values_list("pk", "asked_at") if pk in seen
    ]


# 500 at once, and 2,000 queued --------------------------------------------------------------------


def hold_many(running: Pipeline, goals: Goals, count: int) -> None:
    apps = [pipeline.app(running.upstream, f"after-{ANSWER_SECONDS}") for _ in range(NUMBERS)]
    began = time.perf_counter()
    with metered(running.processes) as spent, watching(running.worker) as seen:
        accepted = send_all(running, apps, count, f"of-{count}")
        wait_until_settled(apps, 60 + count / 500 * ANSWER_SECONDS * 8)
        whole = time.perf_counter() - began
    done = Message.objects.filter(number__in=[one.number.pk for one in apps], status="done")
    claims = seconds_to_claim(running, apps)
    waves = -(-count // AT_ONCE)
    print(
        f"{count} answers of {ANSWER_SECONDS} s, WORKER_CONCURRENCY {settings.WORKER_CONCURRENCY}"
    )
    print(f"  accepted in {accepted:.1f} s, all settled after {whole:.1f} s; ", end="")
    print(f"{done.count()} done, {len(claims)} seen upstream")
    print(f"  to the claim: p50 {median(claims):.2f} s, p95 {percentile(claims, 95):.2f} s")
    told = ", ".join(f"{name} {cpu:.1f}" for name, cpu in spent.items())
    print(f"  CPU seconds: {told}; of the worker {spent['worker'] * 1000 / count:.1f} ms an answer")
    base = "" if ON_SQLITE else f", {seen.connections} database connections"
    print(f"  worker at most: {seen.rss:.0f} MB, {seen.threads} threads{base}")
    goals.at_least(f"{count}: done of them", done.count(), count)
    goals.at_most(f"{count}: memory of the worker, MB", seen.rss, 500)
    if count == AT_ONCE:
        goals.at_most(f"{count}: seconds to the claim, p95", percentile(claims, 95), 1)
    else:
        # As many as are held at once, wave after wave, and what it takes besides.
        goals.at_most(f"{count}: seconds in all", whole, waves * ANSWER_SECONDS * 1.5)


# Fair shares ------------------------------------------------------------------------------------


def share(running: Pipeline, goals: Goals) -> None:
    slow = pipeline.app(running.upstream, "hang")
    quick = pipeline.app(running.upstream, "instant-1")
    alone = _quickly(running, quick, "alone")
    send_all(running, [slow], HANGING, "hanging")
    time.sleep(2)
    beside = _quickly(running, quick, "beside")
    print(f"B's {QUICK} answers, alone: {_told(alone)}")
    print(f"B's, with {HANGING} of A's questions at a provider that hangs: {_told(beside)}")
    goals.at_most(
        "seconds from ask to answer beside a hanging provider, p95", percentile(beside, 95), 2
    )


def _told(times: list[float]) -> str:
    late = sum(one >= WAIT_SECONDS for one in times)
    told = f"p50 {median(times):.2f} s, p95 {percentile(times, 95):.2f} s"
    return f"{told}, {late} not answered after {WAIT_SECONDS} s" if late else told


def _quickly(running: Pipeline, quick: App, mark: str) -> list[float]:
    """Seconds from ask to answer; WAIT_SECONDS where there was none until then."""
    return uvloop.run(_ask_quickly(running.web.port, quick, mark))


async def _ask_quickly(port: int, quick: App, mark: str) -> list[float]:
    async def on(index: int) -> list[float]:
        line, taken = await Line.to(port), []
        for turn in range(QUICK // QUICK_LINES):
            began = time.perf_counter()
            answer = await line.ask(quick.send(f"{mark}-{index}-{turn}", WAIT_SECONDS))
            is_done = b'"status":"done"' in answer
            taken.append(time.perf_counter() - began if is_done else float(WAIT_SECONDS))
            if not is_done:
                taken += [float(WAIT_SECONDS)] * (QUICK // QUICK_LINES - turn - 1)
                break
        line.close()
        return taken

    found = await asyncio.gather(*(on(index) for index in range(QUICK_LINES)))
    return [one for some in found for one in some]


# ------------------------------------------------------------------------------------------------


def main() -> None:
    goals, chosen = Goals(), sys.argv[1:] or ["once", "queued", "fairness"]
    with pipeline.pipeline() as running:
        print(f"load averages before: {pipeline.load_averages()}; {stage.where()}")
        if "once" in chosen:
            hold_many(running, goals, AT_ONCE)
        if "queued" in chosen:
            hold_many(running, goals, QUEUED)
        if "fairness" in chosen:
            share(running, goals)
    goals.leave()


if __name__ == "__main__":
    main()
