"""What the console says of a number at a glance: its health, what to do next, and the figures.

The cost does not grow with what a number has ever answered: the figures read its messages of a week
by the index of number and time, everything else looks at the end of its feed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Count, Max, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bots import followers
from bots.models import ApiKey, FeedEntry, KeyStatus, Kind, Message, Robot, Status
from bots.models.key_status import WORKING
from portal.models import ServiceNumber, State, User

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
ANSWERS_TIMED = 100
ANSWERS_LOOKED_AT = 1000


# The list of numbers ----------------------------------------------------------------------------


@dataclass(frozen=True)
class KeyBadge:
    """The keys of a number in one badge."""

    word: str | Promise
    colour: str
    icon: str


SIMULATED = KeyBadge(gettext_lazy("simulator"), "purple", "flask")


@dataclass(frozen=True)
class Glance:
    """One line of the list."""

    number: ServiceNumber
    keys: KeyBadge
    asked: int
    last_asked_at: datetime | None


def glances(owner: User) -> list[Glance]:
    """The owner's numbers, newest first, in as many queries for fifty as for one."""
    numbers = list(owner.numbers.order_by("-created_at", "-pk").annotate(last=_last_settled()))
    keys: dict[int, Counter[str]] = {number.pk: Counter() for number in numbers}
    simulated = set()
    bound = ApiKey.objects.in_charge().filter(number__owner=owner)
    for number_id, status, is_sandbox in bound.values_list("number_id", "status", "is_sandbox"):
        keys[number_id][status] += 1
        if is_sandbox:
            simulated.add(number_id)
    since = timezone.now() - DAY
    today = Message.objects.filter(number__in=numbers, asked_at__gte=since).values("number")
    counted = today.annotate(count=Count("pk"), newest=Max("asked_at"))
    asked = {row["number"]: (row["count"], row["newest"]) for row in counted}
    lines = []
    for number in numbers:
        count, newest = asked.get(number.pk, (0, number.last))
        badge = SIMULATED if number.pk in simulated else key_badge(keys[number.pk])
        lines.append(Glance(number, badge, count, newest))
    return lines


def _last_settled() -> Subquery:
    """When the question was asked that was answered last: the newest entry of the feed."""
    answers = FeedEntry.objects.filter(number=OuterRef("pk"), kind=Kind.ANSWER)
    return Subquery(answers.order_by("-seq").values("message__asked_at")[:1])


def key_badge(statuses: Counter[str]) -> KeyBadge:
    working = sum(statuses[status] for status in WORKING)
    if working:
        word = ngettext("%(count)d valid key", "%(count)d valid keys", working)
        return KeyBadge(word % {"count": working}, "green", "key")
    if not statuses:
        return KeyBadge(_("no key yet"), "secondary", "key-off")
    if statuses[KeyStatus.PENDING]:
        return KeyBadge(_("checking the key"), "blue", "hourglass")
    worst = next(status for status in KeyStatus if statuses[status])
    return KeyBadge(_("key: %(verdict)s") % {"verdict": worst.label}, "red", "alert-circle")


# One number -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One line of the checklist. `posts` says that its button changes something."""

    title: str
    done: bool
    hint: str = ""
    action: str = ""
    url: str = ""
    posts: bool = False


@dataclass(frozen=True)
class Checklist:
    steps: list[Step]

    @property
    def next(self) -> Step | None:
        return next((step for step in self.steps if not step.done), None)


def checklist(number: ServiceNumber) -> Checklist:
    """The way from a name to a number that systems call; the first undone step is the next."""
    bound = list(number.api_keys.in_charge().values_list("status", "is_sandbox"))
    steps = [
        Step(_("Service number created"), done=True),
        _key_step(
            number,
            [status for status, _sandbox in bound],
            is_simulated=any(is_sandbox for _status, is_sandbox in bound),
        ),
        _trial_step(number),
        _submission_step(number),
        Step(
            _("Approved by a moderator"),
            done=number.state in (State.APPROVED, State.SUSPENDED),
            hint=_("Nothing to do for you: a moderator will decide, and you will be told."),
        ),
        _token_step(number),
    ]
    return Checklist(steps)


def _key_step(number: ServiceNumber, statuses: Iterable[str], *, is_simulated: bool) -> Step:
    counted, page = Counter(statuses), reverse("number-keys", args=[number.app_id])
    hint, action = _("Without one the robot cannot answer."), _("Add an API key")
    url = f"{page}?add=1"
    if counted:
        hint = _("None of its keys works at the moment: see what the provider said.")
        action, url = _("See the API keys"), page
    if counted[KeyStatus.PENDING]:
        hint = _("A key is being checked. It takes a few seconds.")
    return Step(
        _("Simulator bound (sandbox)") if is_simulated else _("API key valid"),
        done=any(counted[status] for status in WORKING),
        hint=hint,
        action=action,
        url=url,
    )


def _trial_step(number: ServiceNumber) -> Step:
    title = _("Tried in the chat")
    if _has_answered(number):
        return Step(title, done=True)
    if not Robot.objects.filter(number=number).exclude(model="").exists():
        return Step(
            title,
            done=False,
            hint=_("The robot needs a model first, and a prompt if you like."),
            action=_("Set up the robot"),
            url=reverse("number-robot", args=[number.app_id]),
        )
    return Step(
        title,
        done=False,
        hint=_("Ask it something, and read what it answers."),
        action=_("Open the chat"),
        url=reverse("chat", args=[number.handle]),
    )


def _has_answered(number: ServiceNumber) -> bool:
    """Whether one of its last answers was given. Only the last: where none ever was, looking for
    one would walk through all that failed.
    """
    answers = FeedEntry.objects.filter(number=number, kind=Kind.ANSWER).order_by("-seq")
    last = answers.values("message")[:ANSWERS_LOOKED_AT]
    return Message.objects.filter(pk__in=last, status=Status.DONE).exists()


def _submission_step(number: ServiceNumber) -> Step:
    title = _("Submitted for review")
    done = number.state not in (State.DRAFT, State.REJECTED)
    if not number.introduction.strip():
        return Step(
            title,
            done=done,
            hint=_("The review needs an introduction: what is it for?"),
            action=_("Write the introduction"),
            url=reverse("number-profile", args=[number.app_id]),
        )
    return Step(
        title,
        done=done,
        hint=_(
            "Once it is approved, everybody who has an account and the link may chat with it"
            " (guests too, if you allow it under Robot)."
        ),
        action=_("Submit for review"),
        url=reverse("number-move", args=[number.app_id, "submit"]),
        posts=True,
    )


def _token_step(number: ServiceNumber) -> Step:
    hint = _("Create an appSecret, and exchange it for an accessToken.")
    if number.secrets.live().exists():
        hint = _("Exchange the appSecret for an accessToken.")
    return Step(
        _("First accessToken taken by your system"),
        done=number.secrets.exclude(last_used_at=None).exists(),
        hint=hint,
        action=_("Open credentials"),
        url=reverse("number-credentials", args=[number.app_id]),
    )


@dataclass(frozen=True)
class Figures:
    """Of the last seven days, but for `asked_today` (24 hours), the followers, and the time of an
    answer.
    """

    asked_today: int
    asked: int
    answered: int
    failed: int
    likes: int
    dislikes: int
    followers: int
    answer_seconds: float | None


def figures(number: ServiceNumber) -> Figures:
    now = timezone.now()
    counted = number.messages.filter(asked_at__gte=now - WEEK).aggregate(
        asked=Count("pk"),
        asked_today=Count("pk", filter=Q(asked_at__gte=now - DAY)),
        answered=Count("pk", filter=Q(status=Status.DONE)),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
        likes=Count("pk", filter=Q(rating="like")),
        dislikes=Count("pk", filter=Q(rating="dislike")),
    )
    followed = followers.count(number)
    return Figures(**counted, followers=followed, answer_seconds=_median_seconds(number))


def _median_seconds(number: ServiceNumber) -> float | None:
    """From question to answer, of the last answers that were given."""
    answers = FeedEntry.objects.filter(number=number, kind=Kind.ANSWER).order_by("-seq")
    times = answers.values_list("message__asked_at", "message__answered_at", "message__status")
    spans = [
        (answered - asked).total_seconds()
        for asked, answered, status in times[:ANSWERS_TIMED]
        if answered and status == Status.DONE
    ]
    return median(spans) if spans else None
