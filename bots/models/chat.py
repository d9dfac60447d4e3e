"""Persons, their conversations, and messages: the queue of record of everything that is asked."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.ids import new_conversation_id, new_message_id

if TYPE_CHECKING:
    from bots.tabs import Tab


class Channel(models.TextChoices):
    WEB = "web", _("web")
    DDIO = "ddio", "DDIO"
    OPENAI = "openai", "OpenAI"
    SANDBOX = "sandbox", _("sandbox")


class Status(models.TextChoices):
    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")


class Rating(models.TextChoices):
    """What a person says of an answer; "" where nothing was said, or it was taken back."""

    LIKE = "like", _("Like")
    DISLIKE = "dislike", _("Dislike")


UNSETTLED = (Status.QUEUED, Status.RUNNING)


class Person(models.Model):
    """Someone who talks to one number, under the name that the number knows (openID)."""

    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="people")
    open_id = models.CharField("openID", max_length=64)
    user = models.ForeignKey("portal.User", models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # The `seq` of the newest of the number's news that the person has seen.
    news_seen = models.BigIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(fields=["number", "open_id"], name="person_once_per_number"),
            models.UniqueConstraint(fields=["number", "user"], name="person_of_user_per_number"),
        ]

    def __str__(self) -> str:
        return self.open_id


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def kept(self) -> "ConversationQuerySet":
        """Those that were not erased: the only ones that anybody is shown or goes on with."""
        return self.filter(erased_at=None)

    def to_empty(self) -> "ConversationQuerySet":
        """Erased, but with messages that still say something: `bots.erasing` has not finished."""
        return self.filter(erased_at__isnull=False, emptied_at=None)


class Conversation(models.Model):
    """A sequence of questions and answers of one person with one number."""

    id = models.CharField(primary_key=True, max_length=40, default=new_conversation_id)
    number = models.ForeignKey("portal.ServiceNumber", models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="conversations")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    title = models.CharField(max_length=80, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)
    length = models.PositiveIntegerField(default=0)
    erased_at = models.DateTimeField(null=True)
    emptied_at = models.DateTimeField(null=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [
            models.Index(fields=["person", "-last_at"], name="conversation_by_person"),
            models.Index(
                fields=["number", "id"],
                condition=Q(erased_at=None),
                name="conversation_of_number_kept",
            ),
            models.Index(
                fields=["person", "id"],
                condition=Q(erased_at=None),
                name="conversation_of_person_kept",
            ),
            models.Index(
                fields=["person", "id"],
                condition=Q(erased_at__isnull=False, emptied_at=None),
                name="conversation_to_empty",
            ),
        ]

    def __str__(self) -> str:
        return self.pk  # not the title, which quotes the question: the admin says this


class MessageQuerySet(models.QuerySet["Message"]):
    def unsettled(self) -> "MessageQuerySet":
        return self.filter(status__in=UNSETTLED)

    def first_in_line(self) -> "MessageQuerySet":
        """Those that no earlier question of their conversation still waits in front of."""
        earlier = Message.objects.unsettled().filter(
            conversation=OuterRef("conversation"), position__lt=OuterRef("position")
        )
        return self.filter(~Exists(earlier))

    def claimable(self, now: datetime) -> "MessageQuerySet":
        """Never claimed, wanted again by now, or claimed by a worker whose lease ran out."""
        waiting = Q(status=Status.QUEUED) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
        abandoned = Q(status=Status.RUNNING, lease_until__lt=now)
        return self.filter(waiting | abandoned).first_in_line()

    def claimed_by(self, worker: str, ids: Iterable[str]) -> "MessageQuerySet":
        return self.filter(pk__in=ids, status=Status.RUNNING, claimed_by=worker)

    def tried(self, at_least: int, at_most: int) -> "MessageQuerySet":
        """Those that have used up so many tries: what was handed back was none."""
        used_up = {"used_up__gte": at_least, "used_up__lte": at_most}
        return self.annotate(used_up=F("attempt") - F("handed_back")).filter(**used_up)

    def overdue(self, now: datetime) -> "MessageQuerySet":
        """What a sweeper should nudge: `due_at` is kept by everything that touches the row."""
        return self.unsettled().filter(due_at__lte=now).claimable(now)


class Message(models.Model):
    """One question and its one answer; the claim, lease and attempt that lead from here to there.

    `attempt` counts claims and fences writes: whoever writes names the attempt he claimed. Of an
    erased message (`erased_at`) question, answer and comment are gone; its place in the feed stays.
    """

    id = models.CharField(primary_key=True, max_length=40, default=new_message_id)
    number = models.ForeignKey(
        "portal.ServiceNumber", models.CASCADE, related_name="messages", db_index=False
    )
    person = models.ForeignKey(Person, models.CASCADE, related_name="messages")
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, related_name="messages", db_index=False
    )
    position = models.PositiveIntegerField()
    channel = models.CharField(max_length=8, choices=Channel.choices)
    question = models.TextField()
    answer = models.TextField(null=True)  # noqa: DJ001  (null: not settled; "" is an empty answer)
    model = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.QUEUED)
    error_code = models.IntegerField(null=True)
    rating = models.CharField(max_length=7, blank=True)
    comment = models.TextField(blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    # Where it was cut short, only.
    finish_reason = models.CharField(max_length=16, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    seq = models.BigIntegerField(null=True)
    erased_at = models.DateTimeField(null=True)
    api_key = models.ForeignKey("bots.ApiKey", models.SET_NULL, null=True, related_name="+")

    attempt = models.PositiveSmallIntegerField(default=0)
    # So many of the attempts ended because their worker was told to stop.
    handed_back = models.PositiveSmallIntegerField(default=0, db_default=0)
    claimed_by = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()

    is_new = False  # true on the instance that `bots.chat.ask` has just written
    tab: "Tab | None" = None  # on one that was claimed: what its attempt may spend, and has spent

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            models.UniqueConstraint(fields=["conversation", "position"], name="message_in_order"),
            models.CheckConstraint(
                condition=Q(status__in=UNSETTLED, seq=None)
                | Q(status__in=[Status.DONE, Status.FAILED, Status.CANCELLED], seq__isnull=False),
                name="message_settled_has_seq",
            ),
        ]
        indexes = [
            models.Index(fields=["number", "asked_at"], name="message_by_number_and_time"),
            models.Index(
                fields=["number", "asked_at"],
                condition=Q(status=Status.QUEUED),
                name="message_waiting_of_number",
            ),
            models.Index(
                fields=["due_at"], condition=Q(status__in=UNSETTLED), name="message_overdue"
            ),
            models.Index(
                fields=["conversation", "position"],
                condition=Q(status__in=UNSETTLED),
                name="message_unsettled_in_line",
            ),
            models.Index(
                fields=["person"], condition=Q(status__in=UNSETTLED), name="message_pending"
            ),
        ]

    def __str__(self) -> str:
        return self.pk

    @property
    def is_settled(self) -> bool:
        return self.status not in UNSETTLED

    @property
    def tries(self) -> int:
        """The attempts that count against the cap: not those that a stopping worker gave back."""
        return self.attempt - self.handed_back
