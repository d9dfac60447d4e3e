"""What the model is shown: the robot's prompt, then as much of the conversation as fits.

Whole turns only, the oldest left out first. The estimate errs on the high side: a quarter of a
token for an ASCII character, a whole one for any other (Chinese comes close to that).
"""

from bots.models import Message, Robot, Status

TURN_OVERHEAD = 8
TURNS_AT_MOST = 50


def estimate_tokens(text: str) -> int:
    """Tokens that the text will take, estimated without the provider's tokenizer."""
    ascii_count = sum(character.isascii() for character in text)
    return ascii_count // 4 + (len(text) - ascii_count) + 1


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def build(robot: Robot, message: Message) -> list[dict[str, str]]:
    """The chat messages for the provider; the question itself is always among them."""
    fixed = [_turn("system", robot.system_prompt)] if robot.system_prompt else []
    question = _turn("user", message.question)
    room = robot.context_tokens - sum(
        estimate_tokens(turn["content"]) + TURN_OVERHEAD for turn in [*fixed, question]
    )
    earlier = Message.objects.filter(
        conversation=message.conversation_id, position__lt=message.position, status=Status.DONE
    ).order_by("-position")[:TURNS_AT_MOST]
    kept: list[dict[str, str]] = []
    for past in earlier:
        answer = past.answer or ""
        room -= estimate_tokens(past.question) + estimate_tokens(answer) + 2 * TURN_OVERHEAD
        if room < 0:
            break
        kept = [_turn("user", past.question), _turn("assistant", answer), *kept]
    return [*fixed, *kept, question]
