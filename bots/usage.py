"""What a number's answers have used."""

from datetime import UTC

from django.db.models import Sum
from django.utils import timezone

from portal.models import ServiceNumber


def tokens_of_today(number: ServiceNumber) -> int:
    """The tokens that the provider has counted for the questions of today (UTC).

    Reads the day's messages by the index of number and time, whatever came before.
    """
    midnight = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = number.messages.filter(asked_at__gte=midnight).aggregate(
        asked=Sum("prompt_tokens"), answered=Sum("completion_tokens")
    )
    return (counted["asked"] or 0) + (counted["answered"] or 0)
