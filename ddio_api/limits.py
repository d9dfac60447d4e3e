"""The limits of the open interface, over portal's atomic counters."""

from django.conf import settings
from django.utils.translation import gettext as _

from ddio_api.errors import DdioError
from portal import counters
from portal.counters import Allowance
from portal.ids import is_app_id
from portal.networks import network_of

APPS_GUESSED_AT_ONCE = 10  # whole offices have one address, and several systems behind it


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
    return counters.take(_bucket(number_id), rate, burst)


def level(number_id: int) -> counters.Level:
    """How full the app's bucket is; looking takes nothing."""
    rate, burst = settings.DDIO_REQUESTS_PER_SECOND, settings.DDIO_REQUEST_BURST
    return counters.level(_bucket(number_id), rate, burst)


def _bucket(number_id: int) -> str:
    return f"fw:rate:{number_id}"


def refuse_guessing(app_id: str, address: str) -> None:
    """Count a wrong secret per appId and address, and per address; raises 45011 past a limit.

    Call it for wrong secrets only: a correct one passes whatever a stranger tried before.
    """
    minute, network = counters.this_minute(), network_of(address)
    app = app_id if is_app_id(app_id) else "malformed"
    limit = settings.DDIO_WRONG_SECRETS_PER_MINUTE
    limits = {
        f"fw:wrong:{minute}:{app}:{network}": limit,
        f"fw:wrong:{minute}:any:{network}": limit * APPS_GUESSED_AT_ONCE,
    }
    for key, at_most in limits.items():
        if counters.count(key, at_most, counters.MINUTE_SECONDS) < 0:
            sentence = _("Too many wrong appSecrets from your address. A right one still passes.")
            raise DdioError(45011, sentence, retry_after=counters.seconds_to_next_minute())
