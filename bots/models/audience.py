"""Who follows a number, and the news that it sends them.

One row for each message, however many may read it: whom it is for is worked out at the reading.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bots.models.chat import Person
from portal.ids import new_message_id
from portal.models import ServiceNumber


class AudienceQuerySet(models.QuerySet["Audience"]):
    def locked(self, number_id: int) -> "Audience":
        """The number's own, to be changed by nobody else before this transaction ends.

        The lock is the one on the number, which its state is changed under: so who follows or
        sends comes before a suspension or after it, never beside it.
        """
        number = ServiceNumber.objects.locked(number_id)
        audience, _new = self.get_or_create(number=number)
        audience.number = number
        return audience


class Audience(models.Model):
    """How many follow a number, and the last `seq` that it gave to a follow or to a message.

    Both take their `seq` from here and in commit order. So whoever reads up to one has missed
    nothing below it, and what was sent since somebody follows is a comparison of two numbers.
    """

    number = models.OneToOneField("portal.ServiceNumber", models.CASCADE, primary_key=True)
    followers = models.PositiveIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)

    objects = AudienceQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.number_id}: {self.followers}"

    def next_seq(self) -> int:
        """The next number; of a locked row, to be saved in the same transaction."""
        self.last_seq += 1
        return self.last_seq


class Follower(models.Model):
    """A person who follows the number, since when, and since which `seq`."""

    person = models.OneToOneField(Person, models.CASCADE, primary_key=True)
    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="+", db_index=False
    )
    seq = models.BigIntegerField()
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("follower")
        verbose_name_plural = _("followers")
        constraints = [models.UniqueConstraint(fields=["number", "seq"], name="follower_in_order")]

    def __str__(self) -> str:
        return f"{self.number_id}/{self.seq}"


class NewsQuerySet(models.QuerySet["News"]):
    def to_all(self, number_id: int) -> "NewsQuerySet":
        return self.filter(number=number_id, person=None)


class News(models.Model):
    """A message from the number: to one person, or (`person` null) to all who follow it then."""

    id = models.CharField(primary_key=True, max_length=40, default=new_message_id)
    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="+", db_index=False
    )
    person = models.ForeignKey(
        Person, models.CASCADE, null=True, related_name="news", db_index=False
    )
    seq = models.BigIntegerField()
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    accepted = models.PositiveIntegerField()  # how many it was for when it was sent
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001  (null: none)

    objects = NewsQuerySet.as_manager()

    class Meta:
        verbose_name = _("news message")
        verbose_name_plural = _("news messages")
        constraints = [
            models.UniqueConstraint(fields=["number", "seq"], name="news_in_order"),
            models.UniqueConstraint(fields=["number", "idempotency_key"], name="news_key_once"),
        ]
        indexes = [
            models.Index(fields=["person", "seq"], name="news_to_person"),
            models.Index(fields=["number", "seq"], condition=Q(person=None), name="news_to_all"),
        ]

    def __str__(self) -> str:
        return self.pk
