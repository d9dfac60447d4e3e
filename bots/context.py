"""What the model is shown: the robot's prompt, then as much of the conversation as fits.

The conversation is the platform's own, or what the caller gave instead: then his system messages
come behind the robot's. Whole turns only, the oldest left out first. The estimate errs on the high
side: a quarter of a token for an ASCII character, a whole one for any other (Chinese comes close to
that).
"""

from collections.abc import Iterable

from bots.models import Configuration, Message, Prompt
from portal import statements

TURN_OVERHEAD = 8
TURNS_AT_MOST = 50

Turn = dict[str, str]


def estimate_tokens(text: str) -> int:
    """Tokens that the text will take, estimated without the provider's tokenizer."""
    ascii_count = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return ascii_count // 4 + (len(text) - ascii_count) + 1


def build(robot: Configuration, message: Message, given: Prompt | None = None) -> list[Turn]:
    """The chat messages for the provider; the question itself is always among them."""
    fixed = [_turn("system", robot.system_prompt)] if robot.system_prompt else []
    if given is None:
        question = [_turn("user", message.question)]
        room = robot.context_tokens - size([*fixed, *question])
        return [*fixed, *_latest(_earlier(message), room), *question]
    fixed += [turn for turn in given.turns if turn["role"] == "system"]
    *earlier, question = _exchanges(turn for turn in given.turns if turn["role"] != "system")
    room = robot.context_tokens - size([*fixed, *question])
    return [*fixed, *_latest(reversed(earlier), room), *question]


def _turn(role: str, content: str) -> Turn:
    return {"role": role, "content": content}


def size(turns: list[Turn]) -> int:
    """Tokens that the turns will take, estimated."""
    return sum(estimate_tokens(turn["content"]) + TURN_OVERHEAD for turn in turns)


def _latest(exchanges: Iterable[list[Turn]], room: int) -> list[Turn]:
    """As many of the exchanges, which come newest first, as there is room for; in their order."""
    kept: list[Turn] = []
    for exchange in exchanges:
        room -= size(exchange)
        if room < 0:
            break
        kept = [*exchange, *kept]
    return kept


# By the ORM it would cost more than all else of a plan, and each message needs its own.
_EARLIER = """SELECT question, answer FROM bots_message
    WHERE conversation_id = %s AND position < %s AND status = 'done'
    ORDER BY position DESC LIMIT %s"""


def _earlier(message: Message) -> Iterable[list[Turn]]:
    """What was asked and answered in the message's conversation before it, newest first."""
    if message.position == 1:
        return
    of_message = [message.conversation_id, message.position, TURNS_AT_MOST]
    for question, answer in statements.rows(_EARLIER, of_message):
        yield [_turn("user", question), _turn("assistant", answer or "")]


def _exchanges(turns: Iterable[Turn]) -> list[list[Turn]]:
    """The turns, parted before each of the user's: what follows upon one belongs to it."""
    exchanges: list[list[Turn]] = []
    for turn in turns:
        if turn["role"] == "user" or not exchanges:
            exchanges.append([])
        exchanges[-1].append(turn)
    return exchanges
