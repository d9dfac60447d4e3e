"""What the review desk shows: the queue, and everything of one number that a decision is about.

Of a key only its health, of conversations only what the owner tried out himself, and what the
safety filter blocked.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bots import blocked, robots
from bots.blocked import Digest
from bots.differences import Change
from bots.models import ApiKey, Channel, Message, Person, Robot
from bots.review_changes import changed_fields, changes_since
from portal import names
from portal.categories import category_label
from portal.models import AuditEntry, ServiceNumber, State, User

PAGE = 50
SAMPLE = 5
HISTORY = 50
ALL = "all"

DEEDS: dict[str, str | Promise] = {
    "number.create": gettext_lazy("created"),
    "number.edit": gettext_lazy("profile changed"),
    "number.submit": gettext_lazy("submitted for review"),
    "number.withdraw": gettext_lazy("withdrawn from review"),
    "number.approve": gettext_lazy("approved"),
    "number.reject": gettext_lazy("rejected"),
    "number.suspend": gettext_lazy("suspended"),
    "number.reinstate": gettext_lazy("reinstated"),
    "number.close": gettext_lazy("closed"),
    "robot.edit": gettext_lazy("robot changed"),
    "robot.rollback": gettext_lazy("robot back to an earlier version"),
    "words.edit": gettext_lazy("blocked words changed"),
    "person.erased": gettext_lazy("a person's conversations erased"),
    "key.bound": gettext_lazy("API key bound"),
    "key.edited": gettext_lazy("API key changed"),
    "key.check_requested": gettext_lazy("API key check asked for"),
    "key.removed": gettext_lazy("API key removed"),
    "secret.issued": gettext_lazy("appSecret created"),
    "secret.reset": gettext_lazy("appSecret reset"),
    "secret.revoked": gettext_lazy("appSecret revoked"),
    "secret.frozen": gettext_lazy("appSecret frozen"),
    "secret.thawed": gettext_lazy("appSecret thawed"),
    "network.added": gettext_lazy("address put on the IP list"),
    "network.removed": gettext_lazy("address taken off the IP list"),
}


@dataclass(frozen=True)
class Queue:
    """A page of numbers, each with its category in words."""

    rows: list[tuple[ServiceNumber, str]]
    has_more: bool


def queue(state: str, words: str, page: int) -> Queue:
    """One page of the numbers in this state; those that wait for review, the oldest first."""
    found = ServiceNumber.objects.select_related("owner")
    if state != ALL:
        found = found.filter(state=state)
    if words:
        found = found.filter(_matches(words))
    order = ["state_changed_at", "pk"] if state == State.IN_REVIEW else ["-state_changed_at", "-pk"]
    start = (page - 1) * PAGE
    rows = list(found.order_by(*order)[start : start + PAGE + 1])
    labelled = [(number, category_label(number.category)) for number in rows[:PAGE]]
    return Queue(labelled, len(rows) > PAGE)


def _matches(words: str) -> Q:
    key = names.comparison_key(words)
    return Q(name_key__contains=key) | Q(app_id=words.lower()) | Q(owner__email__icontains=words)


def next_for(moderator: User, number: ServiceNumber) -> ServiceNumber | None:
    """Whoever waits longest for somebody like this moderator."""
    waiting = ServiceNumber.objects.filter(state=State.IN_REVIEW)
    others = waiting.exclude(owner=moderator).exclude(pk=number.pk)
    return others.order_by("state_changed_at", "pk").first()


@dataclass(frozen=True)
class KeyHealth:
    label: str
    host: str
    status: str
    checked_at: datetime | None
    is_sandbox: bool


@dataclass(frozen=True)
class Deed:
    """A line of the number's history."""

    at: datetime
    who: str
    what: str | Promise
    reason: str
    fields: list[str]


@dataclass(frozen=True)
class Dossier:
    category: str
    robot: Robot | None
    suggested_questions: list[str]
    keys: list[KeyHealth]
    is_simulated: bool
    sample: list[Message]
    blocked: Digest
    changes: list[Change]
    last_decision: str
    history: list[Deed]
    history_is_cut: bool


def dossier(number: ServiceNumber) -> Dossier:
    robot = Robot.objects.filter(number=number).first()
    trail = list(_trail(number)[: HISTORY + 1])
    bound = list(_keys(number))
    decision = _trail(number).filter(action__in=["number.approve", "number.reject"]).first()
    return Dossier(
        category=category_label(number.category),
        robot=robot,
        suggested_questions=robot.suggested_questions if robot else [],
        keys=[_health(key) for key in bound],
        is_simulated=robots.are_simulated(bound),
        sample=_sample(number),
        blocked=blocked.digest(number),
        changes=changes_since(decision) if decision else [],
        last_decision=decision.action if decision else "",
        history=[_deed(entry) for entry in trail[:HISTORY]],
        history_is_cut=len(trail) > HISTORY,
    )


def _trail(number: ServiceNumber) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(number=number).order_by("-pk")


def _keys(number: ServiceNumber) -> QuerySet[ApiKey]:
    """Without what is of the key itself: a template cannot show what was not read."""
    return number.api_keys.bound().defer("sealed", "mask").order_by("priority", "created_at")


def _health(key: ApiKey) -> KeyHealth:
    host = urlsplit(key.base_url).hostname or ""
    if key.is_built_in:
        host = _("simulator") if key.is_sandbox else _("built-in model")
    return KeyHealth(str(key), host, key.status, key.checked_at, key.is_sandbox)


def _sample(number: ServiceNumber) -> list[Message]:
    """What the owner tried out; nobody else's words are a moderator's business."""
    owner = Person.objects.filter(number=number, user=number.owner_id).first()
    if owner is None:
        return []
    tried = owner.messages.filter(channel=Channel.SANDBOX, conversation__erased_at=None)
    return list(tried.order_by("-asked_at")[:SAMPLE])


def _deed(entry: AuditEntry) -> Deed:
    what = DEEDS.get(entry.action, entry.action)
    reason = str(entry.details.get("reason", ""))
    return Deed(entry.at, entry.actor_name, what, reason, changed_fields(entry))
