"""The safety filter's rows: a number's own word list, and what was blocked."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots.models.chat import Message


class Place(models.TextChoices):
    QUESTION = "question", _("question")
    ANSWER = "answer", _("answer")


class Source(models.TextChoices):
    """Whose verdict it was."""

    OPERATOR = "operator", _("the platform's word list")
    NUMBER = "number", _("the service number's word list")
    PROVIDER = "provider", _("the provider's moderation")


class BlockedWords(models.Model):
    """The number's own list, one word a line, apart from the robot, which is read for every answer.

    `version` grows with every change, and stands on the robot, too, while there are words: 0 there
    means that there are none.
    """

    number = models.OneToOneField(
        "portal.ServiceNumber", models.CASCADE, primary_key=True, related_name="blocked_words"
    )
    words = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.number_id}: {self.version}"


class BlockedAnswer(models.Model):
    """Why a message ended with 87014, for the number's owner and for moderators.

    `words` is what matched: a word of the list, or the provider's categories. `text` is what had
    been answered by then (its end); the question is the message's. Erased with the person's words.
    """

    message = models.OneToOneField(
        Message, models.CASCADE, primary_key=True, related_name="blocked"
    )
    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    place = models.CharField(max_length=8, choices=Place.choices)
    source = models.CharField(max_length=8, choices=Source.choices)
    words = models.CharField(max_length=200)
    text = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["number", "-at"], name="blocked_by_number_and_time")]

    def __str__(self) -> str:
        return self.message_id
