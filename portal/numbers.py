"""Creating service numbers."""

import secrets

from django.db import transaction
from django.utils.text import slugify

from portal import audit
from portal.models import ServiceNumber, User

_HANDLE_LENGTH = 30


def free_handle(name: str) -> str:
    """A short public name for links: made from the name, random where it has no Latin letters."""
    base = slugify(name)[:_HANDLE_LENGTH].strip("-") or f"n-{secrets.token_hex(3)}"
    taken = set(
        ServiceNumber.objects.filter(handle__startswith=base).values_list("handle", flat=True)
    )
    if base not in taken:
        return base
    return f"{base}-{secrets.token_hex(3)}"


def create(
    owner: User, name: str, *, actor: User | None, introduction: str = "", handle: str = ""
) -> ServiceNumber:
    """A draft number of the owner's; raises ValidationError for a name that is bad or taken."""
    number = ServiceNumber(owner=owner, name=name, introduction=introduction)
    number.handle = handle or free_handle(name)
    number.clean()
    number.full_clean()
    with transaction.atomic():
        number.save()
        audit.record("number.create", actor=actor, number=number, name=number.name)
    return number
