"""What a message is asked with beside its question, where that is not its number's own."""

from typing import Any

from django.db import models

from bots.models.chat import Message
from bots.models.robots import Configuration, Robot


class Prompt(models.Model):
    """The turns that a message was asked with; without one, its conversation is what is shown.

    `turns` are {"role": "system" | "user" | "assistant", "content": text}, oldest first. `params`
    are those of temperature, top_p, max_tokens and stop that the caller chose. `robot` is what
    answers instead of the live one, with all that is versioned: the draft that is tried may change
    before its answer begins.
    """

    message = models.OneToOneField(Message, models.CASCADE, primary_key=True, related_name="prompt")
    turns = models.JSONField()
    params = models.JSONField(default=dict)
    robot: "models.JSONField[dict[str, Any] | None, dict[str, Any] | None]" = models.JSONField(
        null=True
    )

    def __str__(self) -> str:
        return self.message_id

    def answering(self, live: Robot) -> Configuration:
        """Who answers: the robot that is given here, or else the number's live one."""
        return Robot(number_id=live.pk, **self.robot) if self.robot else live
