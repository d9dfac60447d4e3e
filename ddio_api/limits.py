"""The limits of the open interface, over portal's atomic counters."""

from django.conf import settings
from django.utils.translation import gettext as _

from ddio_api.errors import DdioError
from portal import counters
from portal.counters import Allowance
from portal.networks import network_of


def headers(allowance: Allowance) -> dict[str, str]:
    """RateLimit fields as in draft-ietf-httpapi-ratelimit-headers."""
    rate, burst = settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST
    window = max(1, round(burst / rate))
    return {
        "RateLimit-Policy": f'"app";q={burst};w={window}',
        "RateLimit": f'"app";r={allowance.remaining};t={window}',
    }


def take_request(number_id: int) -> Allowance:
    """Count one request of the app."""
    rate, burst = settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST
    return counters.take(f"fw:rate:{number_id}", rate, burst)


def refuse_guessing(app_id: str, address: str) -> None:
    """Count a wrong secret per appId and address; raises 45011 past the limit.

    Call it for wrong secrets only: a correct one passes whatever a stranger tried before.
    """
    key = f"fw:wrong:{counters.this_minute()}:{app_id}:{network_of(address)}"
    limit = settings.DDIO_WRONG_SECRETS_PER_MINUTE
    if counters.count(key, limit, counters.MINUTE_SECONDS) < 0:
        sentence = _("Too many wrong appSecrets from your address. A right one still passes.")
        raise DdioError(45011, sentence, retry_after=counters.seconds_to_next_minute())
