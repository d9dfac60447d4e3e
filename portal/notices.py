"""Telling people what was decided or has happened: a notice in the console, and a mail.

Both follow from the outbox, which carries out at least once: the notice has a unique key, and each
mail is an outbox entry of its own, so a mail server that fails half-way repeats one mail at most.
"""

import smtplib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portal import moderation, outbox
from portal.models import Notice, ServiceNumber, State, User

logger = structlog.get_logger(__name__)

MAIL = "notice.mail"
SUBMITTED = moderation.SUBMIT.action
GIVE_UP_AFTER = timedelta(days=3)
NOBODY = ".invalid"  # RFC 2606: such addresses, the demo number's owner's, reach nobody


REASON = _("Reason:")
SEEN = _("What was seen:")


@dataclass(frozen=True)
class Words:
    """What happened, and what to do on which page."""

    subject: str | Promise
    advice: str | Promise
    page: str = "number"
    label: str | Promise = REASON


WORDS = {
    SUBMITTED: Words(
        _("“%(name)s” waits for review"),
        _("Look at its profile and its robot, then approve or reject it."),
        "review-number",
    ),
    Notice.Kind.APPROVE: Words(
        _("“%(name)s” was approved"),
        _(
            "Everybody who has an account and its link can chat with it now (guests too, if you "
            "allow it under Robot), and your systems may ask it."
        ),
    ),
    Notice.Kind.REJECT: Words(
        _("“%(name)s” was rejected"),
        _("Mend what the reason names, then submit it again. Nothing of it was deleted."),
        "number-profile",
    ),
    Notice.Kind.SUSPEND: Words(
        _("“%(name)s” was suspended"),
        _(
            "It answers nobody and its accessTokens do not work until a moderator reinstates it. "
            "Nothing of it was deleted."
        ),
    ),
    Notice.Kind.REINSTATE: Words(
        _("“%(name)s” was reinstated"),
        _("It answers again, with everything it had."),
    ),
    Notice.Kind.KEY_DOWN: Words(
        _("“%(name)s”: an API key is out of use"),
        _(
            "Its other API keys answer meanwhile. It is looked at again and again, and comes back"
            " by itself."
        ),
        "number-keys",
        SEEN,
    ),
    Notice.Kind.ROBOT_DOWN: Words(
        _("“%(name)s” cannot answer: none of its API keys works"),
        _(
            "Until one works, people are told that the robot is not available. Each key is looked"
            " at again and again, and comes back by itself."
        ),
        "number-keys",
        SEEN,
    ),
    Notice.Kind.KEY_BACK: Words(
        _("“%(name)s”: an API key works again"),
        _("It answers questions again. There is nothing to do."),
        "number-keys",
        SEEN,
    ),
    Notice.Kind.BUDGET_80: Words(
        _("“%(name)s” has used four fifths of its budget for this month"),
        _(
            "Once it is used up, the robot answers nobody until the next month, or until you raise"
            " it."
        ),
        "number-usage",
    ),
    Notice.Kind.BUDGET_100: Words(
        _("“%(name)s” has used up its budget for this month"),
        _(
            "The robot answers nobody until the next month begins (UTC), or until you raise the"
            " budget."
        ),
        "number-usage",
    ),
}

# What a later release has told.
UNKNOWN = Words(_("News of “%(name)s”"), _("See its overview."))

InWords = Callable[[str], str]
_in_words: dict[str, InWords] = {}


def announce(kinds: Iterable[str], in_words: InWords) -> None:
    """Name who puts the facts of these kinds' notices into the words of the present language."""
    _in_words.update(dict.fromkeys(kinds, in_words))


def reason_of(kind: str, reason: str) -> str:
    """A moderator's words as they are; facts in words."""
    in_words = _in_words.get(kind)
    return in_words(reason) if in_words else reason


def register() -> None:
    outbox.handle(moderation.STATE_CHANGED, tell)
    outbox.handle(MAIL, send, slow=True)


def tell(payload: dict[str, Any]) -> None:
    """Write down who is to be told of a change of state, each of them once."""
    number = ServiceNumber.objects.select_related("owner").filter(pk=payload["number"]).first()
    action = payload.get("action")
    if number is None or action not in WORDS:
        return
    if action == SUBMITTED:
        _tell_moderators(number, payload)
    else:
        tell_owner(number, payload)


def tell_owner(number: ServiceNumber, payload: dict[str, Any]) -> None:
    """Write down that he is to be told, once for each time `at` which it happened.

    `payload`: `number` (its key), `action` (a Notice.Kind), `reason`, and `at` in ISO 8601.
    """
    notice = Notice(
        user=number.owner,
        number=number,
        kind=payload["action"],
        reason=payload["reason"],
        at=datetime.fromisoformat(payload["at"]),
    )
    with transaction.atomic():
        Notice.objects.bulk_create([notice], ignore_conflicts=True)
        _mail(number.owner, payload)


def _tell_moderators(number: ServiceNumber, payload: dict[str, Any]) -> None:
    if number.state != State.IN_REVIEW:  # withdrawn or decided before anybody was told
        return
    for moderator in User.objects.moderators().exclude(pk=number.owner_id):
        _mail(moderator, payload)


def _mail(user: User, payload: dict[str, Any]) -> None:
    if may_be_mailed(user):
        key = f"{MAIL} {payload['number']} {payload['at']} {user.pk}"
        told = {name: payload[name] for name in ("number", "action", "reason", "at")}
        outbox.add_once(key, MAIL, user=user.pk, **told)


def may_be_mailed(user: User) -> bool:
    return user.is_active and not user.email.endswith(NOBODY)


def send(payload: dict[str, Any]) -> None:
    """Send one mail. A mail that nobody needs any more, or that nobody takes, is let go."""
    user = User.objects.filter(pk=payload["user"]).first()
    number = ServiceNumber.objects.filter(pk=payload["number"]).first()
    if user is None or number is None or not _is_wanted(user, number, payload):
        return
    try:
        compose(user, number, payload["action"], payload["reason"]).send()
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
        if not _is_final(error):
            raise
        logger.warning("notice_mail_refused", user=user.pk, number=number.pk)


def _is_final(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError) -> bool:
    """Whether the server said 5xx of this mail (RFC 5321, 4.2.1).

    A 5xx of the login or the sender is about the settings, which the operator may mend meanwhile.
    """
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= 500
    return all(code >= 500 for code, _sentence in error.recipients.values())


def _is_wanted(user: User, number: ServiceNumber, payload: dict[str, Any]) -> bool:
    if datetime.fromisoformat(payload["at"]) < timezone.now() - GIVE_UP_AFTER:
        logger.warning("notice_mail_given_up", user=user.pk, number=number.pk)
        return False
    still_waits = payload["action"] != SUBMITTED or number.state == State.IN_REVIEW
    return still_waits and may_be_mailed(user)


def compose(user: User, number: ServiceNumber, action: str, reason: str) -> EmailMessage:
    """The mail in the reader's language."""
    words = WORDS[action]
    with translation.override(user.mail_language):
        subject = str(words.subject) % {"name": number.name}
        link = settings.SITE_URL + reverse(words.page, args=[number.app_id])
        content = {
            "subject": subject,
            "number": number,
            "label": words.label,
            "reason": reason_of(action, reason),
            "advice": words.advice,
            "link": link,
            "for_moderator": action == SUBMITTED,
        }
        body = render_to_string("emails/notice.txt", content)
    return EmailMessage(subject, body, to=[user.email])


@dataclass(frozen=True)
class Told:
    """A notice in words, with the page where its reader goes on."""

    notice: Notice
    sentence: str
    label: str | Promise
    reason: str
    advice: str | Promise
    link: str


def told(notice: Notice) -> Told:
    words = WORDS.get(notice.kind, UNKNOWN)
    sentence = str(words.subject) % {"name": notice.number.name}
    reason = reason_of(notice.kind, notice.reason)
    link = reverse(words.page, args=[notice.number.app_id])
    return Told(notice, sentence, words.label, reason, words.advice, link)


def mark_read(user: User, newest: int | None) -> None:
    """Those up to `newest` (an id), which the reader had before him; all without it."""
    unread = user.notices.unread()
    seen = unread if newest is None else unread.filter(pk__lte=newest)
    seen.update(read_at=timezone.now())
