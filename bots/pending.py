"""What an unanswered question waits for, in words: never a spinner without a reason."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bots.models import Message, Status


@dataclass(frozen=True)
class Waiting:
    """`kind` is for the page's script, `words` are for its reader."""

    kind: str
    words: str


def ahead_of(message: Message) -> int:
    """How many earlier questions of the conversation are answered first."""
    line = Message.objects.unsettled().filter(conversation=message.conversation_id)
    return line.filter(position__lt=message.position).count()


def waiting(message: Message, ahead: int) -> Waiting:
    now = timezone.now()
    if ahead:
        words = ngettext(
            "%(count)s question before this one is answered first.",
            "%(count)s questions before this one are answered first.",
            ahead,
        )
        return Waiting("behind", words % {"count": ahead})
    if message.status == Status.RUNNING:
        return _running(message, lost=bool(message.lease_until and message.lease_until < now))
    if message.next_attempt_at and message.next_attempt_at > now:
        return Waiting(
            "retry", _("The robot's provider did not answer. We ask it again by ourselves.")
        )
    if message.attempt:
        return Waiting("retry", _("Starting again after an interruption."))
    return Waiting("queued", _("In line. The answer begins by itself."))


def _running(message: Message, *, lost: bool) -> Waiting:
    if lost:
        return Waiting("lost", _("Interrupted. The answer starts again in a moment."))
    if message.attempt > 1:
        return Waiting("again", _("Starting again after an interruption."))
    return Waiting("thinking", _("Thinking…"))
