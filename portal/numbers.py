"""Creating service numbers, and editing their profiles."""

import secrets
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import audit, moderation, pictures
from portal.models import ServiceNumber, State, User

NUMBERS_AT_MOST = 50  # of one account, closed ones included: their names stay taken
# What would pass for the platform itself in a link. The demo number is known by its handle.
DEMO_HANDLE = "demo"
_RESERVED = (
    "about account accounts admin administrator api app chat console demo docs fuwuhao help home "
    "login logout me moderator new null official platform review root signup static support system "
    "test undefined www"
)
RESERVED_HANDLES = frozenset(_RESERVED.split())
INTRODUCTION_NEEDED = gettext_lazy(
    "Write an introduction first: people and moderators read what it is for."
)
_HANDLE_LENGTH = 30
_PROFILE = ("name", "introduction", "category")


class EditRefused(Exception):
    """The number's state does not allow it; the message is a sentence for its owner."""


def free_handle(name: str) -> str:
    """A short public name for links: made from the name, random where it has no Latin letters."""
    slug = slugify(name).replace("_", "-")
    base = slug[:_HANDLE_LENGTH].strip("-") or f"n-{secrets.token_hex(3)}"
    taken = set(
        ServiceNumber.objects.filter(handle__startswith=base).values_list("handle", flat=True)
    )
    if base not in taken | RESERVED_HANDLES:
        return base
    return f"{base}-{secrets.token_hex(3)}"


def create(
    owner: User,
    name: str,
    *,
    actor: User | None,
    introduction: str = "",
    category: str = "",
    handle: str = "",
    picture: bytes | None = None,
) -> ServiceNumber:
    """A draft number of the owner's; `picture` is a PNG from `portal.pictures`.

    Raises ValidationError, by field, for what is bad or taken.
    """
    number = ServiceNumber(owner=owner, name=name, introduction=introduction, category=category)
    number.handle = handle or free_handle(name)
    _validate(number)
    try:
        with transaction.atomic():
            if actor is not None:
                _refuse_too_many(owner)
            number.avatar_digest = pictures.keep(picture) if picture else ""
            number.save()
            audit.record("number.create", actor=actor, number=number, name=number.name)
    except IntegrityError:
        _validate(number)  # somebody took the name or the handle meanwhile: this time it is seen
        raise
    return number


def _refuse_too_many(owner: User) -> None:
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    if owner.numbers.count() >= NUMBERS_AT_MOST:
        sentence = _(
            "You have %(count)d service numbers, closed ones included: no more are allowed."
        )
        raise ValidationError(sentence % {"count": NUMBERS_AT_MOST})


def _validate(number: ServiceNumber) -> None:
    """Raise ValidationError by field, in words that say how to mend it."""
    try:
        number.clean()
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error
    try:
        number.full_clean()
    except ValidationError as error:
        raise ValidationError(_in_our_words(error)) from error


def _in_our_words(error: ValidationError) -> dict[str, list[ValidationError]]:
    """Names are compared by their key, a column that nobody has typed anything into."""
    problems = dict(error.error_dict)
    if problems.pop("name_key", None):
        sentence = _("A service number of this name already exists. Choose another name.")
        problems.setdefault("name", [ValidationError(sentence)])
    if any(each.code == "unique" for each in problems.get("handle", [])):
        sentence = _("This link name is taken. Choose another, or leave the field empty.")
        problems["handle"] = [ValidationError(sentence)]
    return problems


def editable(number: ServiceNumber) -> tuple[str, ...]:
    """Which fields of the profile may be changed now.

    What a moderator looks at must hold still, and the name that people came to trust stays.
    """
    if number.state in (State.IN_REVIEW, State.CLOSED):
        return ()
    if number.state in (State.APPROVED, State.SUSPENDED):
        return _PROFILE[1:]
    return _PROFILE


def edit(
    number: ServiceNumber,
    wanted: Mapping[str, str],
    *,
    actor: User | None,
    picture: bytes | None = None,
) -> list[str]:
    """Change what is editable of the profile, and return the names of what really changed.

    `picture` is a PNG from `portal.pictures`; b"" takes the old one away, None keeps it. Raises
    EditRefused, and ValidationError by field.
    """
    try:
        with transaction.atomic():
            fresh = ServiceNumber.objects.locked(number.pk)
            allowed = editable(fresh)
            if not allowed:
                raise EditRefused(_why_not_editable(fresh))
            here = {name: value for name, value in wanted.items() if name in allowed}
            changes = _apply(fresh, here, picture)
            if changes:
                saved = [*changes, "name_key"] if "name" in changes else list(changes)
                fresh.save(update_fields=saved)
                audit.record("number.edit", actor=actor, number=fresh, changes=changes)
    except IntegrityError:
        _validate(fresh)
        raise
    return list(changes)


def _apply(
    number: ServiceNumber, wanted: Mapping[str, str], picture: bytes | None
) -> dict[str, list[str]]:
    """Set the fields, and say of each that changed what was there and what is."""
    before = {name: getattr(number, name) for name in (*wanted, "avatar_digest")}
    for name, value in wanted.items():
        setattr(number, name, value)
    _validate(number)
    if picture is not None:
        number.avatar_digest = pictures.keep(picture) if picture else ""
        old = before["avatar_digest"]
        # Not in here: two edits that swap pictures would wait for each other's rows.
        transaction.on_commit(lambda: pictures.forget_unused(old))
    now = {name: getattr(number, name) for name in before}
    return {name: [before[name], now[name]] for name in before if before[name] != now[name]}


def _why_not_editable(number: ServiceNumber) -> str:
    if number.state == State.IN_REVIEW:
        return _("Nothing was saved: it is in review. Withdraw it first, then save again.")
    return _("Nothing was saved: the service number is closed.")


def refuse_closed(number: ServiceNumber) -> None:
    """Raises EditRefused for a closed number: nothing of it changes any more."""
    if number.state == State.CLOSED:
        raise EditRefused(_why_not_editable(number))


def submit(number: ServiceNumber, *, actor: User | None) -> None:
    """Hand it to the moderators; raises moderation.TransitionRefused."""
    if not number.introduction.strip():
        raise moderation.TransitionRefused(str(INTRODUCTION_NEEDED))
    moderation.move(number, moderation.SUBMIT, actor=actor)
