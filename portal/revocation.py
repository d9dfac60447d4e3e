"""Killing one accessToken before its time."""

from datetime import datetime

from django.db import transaction

from portal import app_records
from portal.models import RevokedToken, ServiceNumber


def revoke(number_id: int, token_id: str, expires_at: datetime) -> bool:
    """From the next call on the token is refused; False where it was revoked before."""
    with transaction.atomic():
        ServiceNumber.objects.locked(number_id)
        _row, is_new = RevokedToken.objects.get_or_create(
            number_id=number_id, token_id=token_id, defaults={"expires_at": expires_at}
        )
        if is_new:
            app_records.changed(number_id)
        else:
            app_records.tell_again(number_id)
    return is_new
