"""The safety filter at work on one attempt: its question, and its answer while it is written.

Word lists stand in front: a question that holds a word goes to no provider, and of an answer no
part of a word is ever shown. The provider's own moderation, where the robot asks for it and the
provider has one, sees the question before it is answered and the answer when it is whole; people
may have read that by then. Where it cannot be asked, the lists alone decide.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

from bots import faults, safety_lists, safety_own
from bots.blocked import Finding
from bots.journal import Writer
from bots.models import ApiKey, Place, Robot, Source, Status
from bots.provider import Endpoint, Provider
from bots.provider_faults import ProviderFault
from bots.safety_words import WordFound, Words, search
from bots.settlement import Outcome

logger = structlog.get_logger(__name__)

NOT_OFFERED_SECONDS = 3600.0
NOT_REACHED_SECONDS = 60.0
KEYS_REMEMBERED = 10_000

Lists = tuple[tuple[Source, Words], ...]


class Blocked(Exception):
    """Nothing more of this answer is to be shown."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.words)
        self.finding = finding


@dataclass(frozen=True)
class Guard:
    """What stands between the people of a number and its provider."""

    lists: Lists = ()
    moderates: bool = False

    def find(self, texts: Iterable[str]) -> Finding | None:
        """What the lists find in a question, or in all that is asked with it."""
        if not self.lists:
            return None
        for text in texts:
            for source, words in self.lists:
                if word := words.find(text):
                    return Finding(Place.QUESTION, source, word)
        return None


NO_GUARD = Guard()


def guards(robots: Iterable[Robot]) -> dict[int, Guard]:
    """The guard of each robot's number. Without lists it takes no query."""
    operators = safety_lists.of_operator()
    everywhere: Lists = ((Source.OPERATOR, operators),) if operators else ()
    robots = list(robots)
    own = safety_own.of_numbers(robots)
    return {
        robot.pk: Guard(
            (*everywhere, (Source.NUMBER, own[robot.pk])) if robot.pk in own else everywhere,
            robot.moderated,
        )
        for robot in robots
    }


def outcome(ended: Outcome, finding: Finding | None) -> Outcome:
    """How the attempt ends, for which something was found or nothing."""
    if finding is None:
        return ended
    return replace(
        ended, status=Status.FAILED, answer=None, error_code=faults.BLOCKED, finding=finding
    )


class Gate:
    """Lets an answer into the journal, except what may yet turn out to begin a blocked word.

    That is the beginning of a word with which the text ends: nothing as a rule, and never more than
    safety_lists.SIGNS_AT_MOST characters of words and what stands between them.
    """

    def __init__(self, guard: Guard, journal: Writer) -> None:
        self._lists = guard.lists
        self._journal = journal
        self._sends: list[Callable[[str], object]] = []
        self._pass: Callable[[str], object] = journal.put
        for _source, words in guard.lists:  # each hands on what it lets pass to the one before
            searching = search(words, self._pass)
            next(searching)
            self._pass = searching.send
            self._sends.insert(0, self._pass)

    def put(self, piece: str) -> None:
        """More of the answer, which is not empty. Raises Blocked."""
        try:
            self._pass(piece)
        except WordFound as found:
            raise self._blocked(found) from None

    def end(self) -> None:
        """The answer is whole. Raises Blocked."""
        try:
            for send in self._sends:
                send("")
        except WordFound as found:
            raise self._blocked(found) from None

    def _blocked(self, found: WordFound) -> Blocked:
        [source] = [source for source, words in self._lists if words is found.words]
        text = "".join([*self._journal.text, found.text])
        return Blocked(Finding(Place.ANSWER, source, found.word, text))


# The provider's own moderation ------------------------------------------------------------------


class Moderation:
    """The provider's opinion of what goes through one key."""

    # Until when not to ask again, by key and base URL: a provider has it or not.
    _silent: dict[tuple[str, str], float] = {}

    def __init__(self, guard: Guard, provider: Provider, chosen: tuple[ApiKey, Endpoint]) -> None:
        key, self._endpoint = chosen
        self._place = (key.pk, self._endpoint.base_url)
        self._provider = provider
        self._is_wanted = guard.moderates

    async def see_question(self, text: str) -> None:
        """Raises Blocked."""
        if categories := await self._ask(text):
            raise Blocked(Finding(Place.QUESTION, Source.PROVIDER, categories))

    async def see_answer(self, text: str) -> None:
        """Raises Blocked."""
        if categories := await self._ask(text):
            raise Blocked(Finding(Place.ANSWER, Source.PROVIDER, categories, text))

    async def _ask(self, text: str) -> str:
        """The categories that the text falls into; "" for none, and where nobody can say."""
        if not self._is_wanted or self._silent.get(self._place, 0.0) > time.monotonic():
            return ""
        try:
            categories = await self._provider.moderate(self._endpoint, text)
        except ProviderFault as fault:
            logger.warning("moderation_unreachable", key=self._place[0], code=fault.code)
            self._be_silent(NOT_REACHED_SECONDS)
            return ""
        if categories is None:
            self._be_silent(NOT_OFFERED_SECONDS)
        return ", ".join(categories or [])

    def _be_silent(self, seconds: float) -> None:
        if len(self._silent) >= KEYS_REMEMBERED:
            self._silent.clear()
        self._silent[self._place] = time.monotonic() + seconds
