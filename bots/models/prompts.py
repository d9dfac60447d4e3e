"""What a caller gave instead of a conversation: all its turns, and how to sample the answer."""

from django.db import models

from bots.models.chat import Message


class Prompt(models.Model):
    """The turns that a message was asked with; without one, its conversation is what is shown.

    `turns` are {"role": "system" | "user" | "assistant", "content": text}, oldest first. `params`
    are those of temperature, top_p, max_tokens and stop that the caller chose.
    """

    message = models.OneToOneField(Message, models.CASCADE, primary_key=True, related_name="prompt")
    turns = models.JSONField()
    params = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.message_id
