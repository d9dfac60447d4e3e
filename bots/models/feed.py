"""The feed of a number: what was settled and rated, numbered in commit order."""

from django.db import models
from django.utils import timezone

from bots.models.chat import Message, Person


class Kind(models.TextChoices):
    ANSWER = "answer"
    RATING = "rating"


class FeedCounter(models.Model):
    """The last `seq` of a number. Its row is locked from numbering to commit (rule 7)."""

    number = models.OneToOneField("portal.ServiceNumber", models.CASCADE, primary_key=True)
    last = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.number_id}: {self.last}"


class FeedEntry(models.Model):
    """One entry, once, in order. An answer's filterable facts stand here so that filters use it."""

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="+")
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=6, choices=Kind.choices)
    message = models.ForeignKey(Message, models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)
    rating = models.CharField(max_length=7, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number", "seq"], name="feed_in_order")]
        indexes = [
            models.Index(fields=["person", "seq"], name="feed_by_person_in_order"),
            models.Index(fields=["number", "at"], name="feed_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.number_id}/{self.seq}"


class IdempotencyKey(models.Model):
    """A caller's promise that a repeated request is the same request."""

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    message = models.ForeignKey(Message, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.number_id}: {self.message_id}"
