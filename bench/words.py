"""What the safety filter's word lists cost: `python -m bench.words` (half a minute, no services).

20,000 words (half Chinese of 2 to 6 characters, half Latin of 4 to 12), texts of 1,000 characters:
Chinese, English, both; without a near miss, and with every tenth word one that differs from a
blocked word in its last character only. Each is read whole (a question), and through the gate in
pieces of 1, 2 and 4 characters (an answer). Beside it, in turns on the same texts: a loop of `in`
over all words and one regular expression of them all. Neither of these folds anything: they find
only what is written exactly as listed, and for a stream they must look at the text's end again with
each piece, which is not done here. Times are CPU time of this thread.
"""

import math
import random
import re
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from statistics import median

from bench import stage  # noqa: F401  (it sets Django up)
from bots.models import Source
from bots.safety import Blocked, Gate, Guard
from bots.safety_words import Words

WORDS, CHARACTERS, TEXTS, ROUNDS = 20_000, 1_000, 20, 5
GOAL_MS = 1.0
HAN = [chr(code) for code in range(0x4E00, 0x4E00 + 3_000)]
LATIN = "abcdefghijklmnopqrstuvwxyz"
SIGNS = "，。！？ "
Chance = random.Random


def word(chance: Chance, *, is_chinese: bool) -> str:
    if is_chinese:
        return "".join(chance.choices(HAN, k=chance.randint(2, 6)))
    return "".join(chance.choices(LATIN, k=chance.randint(4, 12)))


def words(chance: Chance) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < WORDS:
        found[word(chance, is_chinese=len(found) < WORDS // 2)] = None
    return list(found)


def chinese(chance: Chance) -> str:
    return "".join(chance.choices(HAN, k=chance.randint(1, 8))) + chance.choice(SIGNS)


def english(chance: Chance) -> str:
    return "".join(chance.choices(LATIN, k=chance.randint(1, 9))) + " "


def mixed(chance: Chance) -> str:
    return chance.choice([chinese, english])(chance)


def text(chance: Chance, part: Callable[[Chance], str], near: list[str], ours: Words) -> str:
    """1,000 characters without a blocked word; of those in `near` it may hold all but the end."""
    while True:
        parts = ""
        while len(parts) < CHARACTERS:
            parts += (
                f"{chance.choice(near)[:-1]}。" if near and chance.random() < 0.1 else part(chance)
            )
        if not ours.find(parts[:CHARACTERS]):
            return parts[:CHARACTERS]


class Journal:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.put = self.text.append


def streamed(guard: Guard, given: str, size: int) -> None:
    gate = Gate(guard, Journal())
    for at in range(0, len(given), size):
        gate.put(given[at : at + size])
    gate.end()


def milliseconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def measure(contestants: dict[str, Callable[[str], object]], texts: list[str]) -> dict[str, float]:
    """Of each: the best round of every text, and of these the median. They run in turns."""
    best: dict[str, list[float]] = {name: [math.inf] * len(texts) for name in contestants}
    for _round in range(ROUNDS):
        for name, contestant in contestants.items():
            for place, given in enumerate(texts):
                taken = milliseconds(partial(contestant, given))
                best[name][place] = min(best[name][place], taken)
    return {name: median(taken) for name, taken in best.items()}


def built(listed: list[str]) -> Words:
    tracemalloc.start()
    Words(listed)  # what folding remembers is not this list's
    before = tracemalloc.get_traced_memory()[0]
    ours = Words(listed)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    seconds = milliseconds(lambda: Words(listed)) / 1000
    print(f"{ours.count} words: ready in {seconds:.2f} s, {held / 1e6:.1f} MB")
    return ours


def contestants(listed: list[str], ours: Words) -> dict[str, Callable[[str], object]]:
    guard = Guard(((Source.OPERATOR, ours),))
    expression = re.compile("|".join(map(re.escape, listed)))
    return {
        "whole": ours.find,
        "gate, pieces of 1": lambda given: streamed(guard, given, 1),
        "gate, pieces of 2": lambda given: streamed(guard, given, 2),
        "gate, pieces of 4": lambda given: streamed(guard, given, 4),
        "no list, pieces of 1": lambda given: streamed(Guard(), given, 1),
        "loop of `in`": lambda given: [each for each in listed if each in given],
        "one expression": expression.search,
    }


def main() -> int:
    chance = Chance(20_000)
    listed = words(chance)
    ours = built(listed)
    racing = contestants(listed, ours)
    print("ms per 1,000 characters".ljust(26), *(f"{name:>21}" for name in racing))
    slow = False
    for part in (chinese, english, mixed):
        for near in ([], listed):
            texts = [text(chance, part, near, ours) for _ in range(TEXTS)]
            taken = measure(racing, texts)
            name = f"{part.__name__}{', near misses' if near else ''}"
            print(name.ljust(26), *(f"{taken[each]:21.3f}" for each in racing))
            slow |= any(taken[each] >= GOAL_MS for each in list(racing)[:4])
    worst = Words(["哈" * 39 + "嘿"])
    print(f"worst list and text (whole): {milliseconds(lambda: worst.find('哈' * CHARACTERS)):.3f}")
    print(f"below {GOAL_MS:g} ms: {'no' if slow else 'yes'}")
    return slow


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Blocked as blocked:
        sys.exit(f"a text without a blocked word was blocked: {blocked}")
