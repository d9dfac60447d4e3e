"""A draft that is tried beside the live robot: one question, asked twice in the one pipeline.

Both are the owner's trials, within his cap, whatever the number's state. They are asked under a
name of the platform's that is nobody's, so they are no person's conversation; nor does one of them
know of another. What answers travels with the question: the draft may change before its turn comes.
"""

import re
from dataclasses import dataclass

from bots import asking, chat, chat_page, journal, settlement, trials
from bots.access import NOT_PUBLIC
from bots.chat import PLATFORM_PREFIX
from bots.models import Channel, Message, Robot, RobotDraft
from bots.models.robots import Configuration
from portal.models import ServiceNumber

OPEN_ID = f"{PLATFORM_PREFIX}trial"
_NAME = re.compile("[A-Za-z0-9_]{1,40}")


@dataclass(frozen=True)
class Pair:
    """The same question, as it was asked of both."""

    live: Message
    draft: Message


def may_ask(number: ServiceNumber) -> bool:
    """A suspended or closed number answers nobody, its owner neither."""
    return number.answers_people or number.state in NOT_PUBLIC


def ask(number: ServiceNumber, text: str, live: Robot, draft: RobotDraft) -> Pair:
    """Ask both, or neither; raises asking.Refused."""
    if not may_ask(number):
        raise asking.Refused.silent()
    first = _ask(number, text, live)
    try:
        return Pair(first, _ask(number, text, draft))
    except asking.Refused:
        settlement.cancel(first, keeps_text=False)
        raise


def _ask(number: ServiceNumber, text: str, robot: Configuration) -> Message:
    question = chat.Question(
        number=number,
        open_id=OPEN_ID,
        text=text,
        channel=Channel.SANDBOX,
        vouched=True,
        given=chat.Given([{"role": "user", "content": text}], robot=robot.versioned),
    )
    return asking.accept(question, [trials.limit_of(number)])


def trial(number: ServiceNumber, message_id: str) -> Message | None:
    """The number's trial of that id; None for whatever else it is the id of."""
    if not _NAME.fullmatch(message_id):
        return None
    asked = number.messages.filter(person__open_id=OPEN_ID, channel=Channel.SANDBOX)
    kept = asked.filter(pk=message_id, conversation__erased_at=None)
    return kept.select_related("number").first()


@dataclass(frozen=True)
class Answer:
    """One of the two answers as it stands now; `text` is what is said so far of one that goes on.

    `look` is another one as soon as it looks different.
    """

    shown: chat_page.Shown
    text: str = ""

    @property
    def message(self) -> Message:
        return self.shown.message

    @property
    def look(self) -> str:
        return f"{self.shown.waiting.kind}{len(self.text)}" if self.shown.is_pending else "settled"

    @property
    def seconds(self) -> float | None:
        """From the question to the answer, the time in line included."""
        asked, answered = self.message.asked_at, self.message.answered_at
        return (answered - asked).total_seconds() if answered else None


def answer(message: Message) -> Answer:
    """Nothing is said yet where the number may not say it."""
    says = not message.is_settled and may_ask(message.number)
    text = journal.text_so_far(message.pk, message.attempt) if says else ""
    return Answer(chat_page.show(message), text)
