"""What we add to a provider's time: `python -m bench.overhead` (five minutes).

From `POST /platform/api2/chat/send` with `wait` to the reply with the finished answer, the provider
being instant; beside LiteLLM's proxy, asked plain and streamed, in turns, at the same upstream.
LiteLLM queues and stores nothing; each of our answers is accepted, claimed and settled in the
database. On PostgreSQL, and with `DATABASE_URL=sqlite` on the embedded stack.

`--profile` shows instead where the CPU time of the web process and of the worker goes;
`--pieces 20` has the upstream answer in so many pieces; `--rounds` and `--seconds` of each turn.
"""

import argparse
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import psutil

from bench import askers, litellm_proxy, pipeline, sampling, stage
from bench.askers import Asked, Requests, post
from bench.pipeline import App, Pipeline, metered
from bench.stage import Goals, Site
from bench.steps import WEB_STEPS, WORKER_STEPS
from portal import valkey

AT_ONCE = [1, 16, 64]
OURS, PLAIN, STREAMED = "ours", "LiteLLM, plain", "LiteLLM, streamed"


@dataclass(frozen=True)
class Turn:
    """What one contestant did in one turn; CPU in milliseconds an answer, by process."""

    asked: Asked
    cpu: dict[str, float]


@dataclass(frozen=True)
class Contestant:
    """One who is asked, and the processes that work for it."""

    port: int
    requests: Callable[[], Requests]
    good: bytes
    processes: Callable[[], Mapping[str, list[psutil.Process]]]

    def turn(self, at_once: int, seconds: float) -> Turn:
        with metered(self.processes) as spent:
            asked = askers.load(self.port, self.requests(), self.good, at_once, seconds)
        answers = len(asked.times)
        return Turn(asked, {name: cpu * 1000 / answers for name, cpu in spent.items()})


def ours(running: Pipeline, asking: App) -> Contestant:
    def fresh() -> Requests:
        return asking.persons(secrets.token_hex(4))

    return Contestant(running.web.port, fresh, b'"status":"done"', running.processes)


def theirs(running: Pipeline, site: Site, model: str, *, streamed: bool) -> Contestant:
    question = {"role": "user", "content": "Are you there?"}
    body = {"model": model, "messages": [{"role": "system", "content": "Be brief."}, question]}
    asked = post(litellm_proxy.PATH, _bytes(body | {"stream": streamed}), litellm_proxy.KEY)

    def processes() -> dict[str, list[psutil.Process]]:
        of_all = running.processes()
        return {"LiteLLM": [site.worker]} | {name: of_all[name] for name in ("upstream", "client")}

    def same(_index: int) -> Iterator[bytes]:
        while True:
            yield asked

    good = b"data: [DONE]" if streamed else b'"finish_reason":"stop"'
    return Contestant(site.port, lambda: same, good, processes)


def _bytes(content: object) -> bytes:
    return json.dumps(content).encode()


# Figures ----------------------------------------------------------------------------------------

Found = dict[str, dict[int, list[Turn]]]


def in_turns(contestants: Mapping[str, Contestant], rounds: int, seconds: float) -> Found:
    """Each contestant at each number of askers in each round: what disturbs, disturbs all."""
    found: Found = {name: {at_once: [] for at_once in AT_ONCE} for name in contestants}
    for contestant in contestants.values():
        contestant.turn(16, 4)  # warm
    for _round in range(rounds):
        for at_once in AT_ONCE:
            for name, contestant in contestants.items():
                found[name][at_once].append(contestant.turn(at_once, seconds))
    return found


def _middle(turns: list[Turn], figure: str) -> float:
    return median(float(getattr(turn.asked, figure)) for turn in turns)


def show(found: Found) -> None:
    for at_once in AT_ONCE:
        print(f"{at_once} at once")
        for name, by_number in found.items():
            turns = by_number[at_once]
            rate, p50, p95 = (_middle(turns, figure) for figure in ("rate", "p50", "p95"))
            costs = {part: median(turn.cpu[part] for turn in turns) for part in turns[0].cpu}
            told = "  ".join(f"{part} {cost:.2f}" for part, cost in costs.items())
            print(f"  {name:18} {rate:7.1f}/s  p50 {p50:7.2f} ms  p95 {p95:7.2f} ms")
            print(f"  {'':18} CPU ms an answer: {told}")


def judge(goals: Goals, found: Found) -> None:
    """Against LiteLLM's better way in each figure; of the same round, then the middle."""
    for at_once in AT_ONCE:
        for figure in ("p50", "p95"):
            ratio = _ratio(found, at_once, figure, min)
            goals.at_most(f"{figure} at {at_once}, times LiteLLM's", ratio, 1)
    goals.at_least("rate at 64, times LiteLLM's", _ratio(found, 64, "rate", max), 2)


def _ratio(
    found: Found, at_once: int, figure: str, better: Callable[[float, float], float]
) -> float:
    rounds = zip(*(found[name][at_once] for name in (OURS, PLAIN, STREAMED)), strict=True)
    of_rounds = [[float(getattr(turn.asked, figure)) for turn in turns] for turns in rounds]
    return median(we / better(plain, streamed) for we, plain, streamed in of_rounds)


# Profile ----------------------------------------------------------------------------------------


def profile(contestant: Contestant, running: Pipeline, seconds: float) -> None:
    """Costs without sampling, and then the samples' shares of them."""
    pids = {"web": running.web.worker.pid, "worker": running.worker.pid}
    contestant.turn(16, 4)  # warm
    for at_once in (64, 1):
        turn = contestant.turn(at_once, seconds)
        print(f"{at_once} at once: {turn.asked.rate:.0f}/s, p50 {turn.asked.p50:.1f} ms")
        print(f"  Valkey's commands an answer: {valkey_commands(contestant, at_once, 2)}")
        with sampling.sampled(pids.values()):
            contestant.turn(at_once, seconds)
        for name, steps in (("web", WEB_STEPS), ("worker", WORKER_STEPS)):
            samples = sampling.read(pids[name])
            print(f"  {name}: {turn.cpu[name] * 1000:.0f} µs CPU an answer, {len(samples)} samples")
            sampling.show(samples, steps, turn.cpu[name] * 1000)


def valkey_commands(contestant: Contestant, at_once: int, seconds: float) -> str:
    before = _calls()
    answers = len(contestant.turn(at_once, seconds).asked.times)
    found = {name: (calls - before.get(name, 0)) / answers for name, calls in _calls().items()}
    large = sorted(found.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {each:.1f}" for name, each in large if each >= 0.1)


def _calls() -> dict[str, int]:
    stats = valkey.ask(lambda client: client.info("commandstats"))
    return {name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()}


# ------------------------------------------------------------------------------------------------


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pieces", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--ours", action="store_true", help="without LiteLLM, and without goals")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def main() -> None:
    chosen, goals = options(), Goals()
    model = f"instant-{chosen.pieces}"
    with ExitStack() as stack:
        if chosen.profile:
            stack.enter_context(sampling.prepared())
        running = stack.enter_context(pipeline.pipeline())
        contestants = {OURS: ours(running, pipeline.app(running.upstream, model))}
        if chosen.profile:
            profile(contestants[OURS], running, chosen.seconds * 3)
            return
        if not chosen.ours:
            site = stack.enter_context(litellm_proxy.serving(running.upstream.url, model))
            contestants[PLAIN] = theirs(running, site, model, streamed=False)
            contestants[STREAMED] = theirs(running, site, model, streamed=True)
        print(f"load averages before: {pipeline.load_averages()}; {stage.where()}")
        found = in_turns(contestants, chosen.rounds, chosen.seconds)
        show(found)
        if len(contestants) > 1:
            judge(goals, found)
    goals.leave()


if __name__ == "__main__":
    main()
