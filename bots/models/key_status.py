"""What is known of an API key, and how long one rests of which nothing good is known."""

from django.db import models
from django.utils.translation import gettext_lazy as _

# Troubles that may be one call's bad luck: a key is believed to be in them after so many in a row.
PATIENCE = 3
# Seconds; each failure after that doubles the rest.
_SOFT_REST, _SOFT_REST_AT_MOST = 10.0, 600.0
_REFUSED_REST, _REFUSED_REST_AT_MOST = 60.0, 3600.0
_LIMITED_REST, _LIMITED_REST_AT_MOST = 2.0, 60.0
_DOUBLINGS_AT_MOST = 16


class KeyStatus(models.TextChoices):
    PENDING = "pending", _("checking")
    VALID = "valid", _("valid")
    INVALID = "invalid", _("invalid")
    NO_ACCESS = "no_access", _("no access to the model")
    OUT_OF_QUOTA = "out_of_quota", _("out of quota")
    RATE_LIMITED = "rate_limited", _("rate-limited")
    TROUBLE = "trouble", _("provider trouble")
    UNREACHABLE = "unreachable", _("unreachable")
    INCOMPATIBLE = "incompatible", _("not OpenAI-compatible")


# Such a key answers; a rate limit passes by itself.
WORKING = (KeyStatus.VALID, KeyStatus.RATE_LIMITED)
# Those that are asked first, once their rest is over.
IN_ROTATION = (*WORKING, KeyStatus.PENDING)
SOFT = (KeyStatus.TROUBLE, KeyStatus.UNREACHABLE, KeyStatus.INCOMPATIBLE)
# What a list of models cannot tell: it takes a call to the model.
SEEN_BY_CALLS = (KeyStatus.NO_ACCESS, KeyStatus.OUT_OF_QUOTA, KeyStatus.RATE_LIMITED)


def rest_seconds(status: str, failures: int, retry_after: float | None) -> float:
    """How long a key is left alone after this many failures in a row.

    What the provider asks for by `Retry-After` counts where it is longer, and alone where the key
    is only too fast: then nobody knows better.
    """
    if status == KeyStatus.RATE_LIMITED:
        if retry_after is not None:
            return retry_after
        return _doubled(_LIMITED_REST, failures - 1, _LIMITED_REST_AT_MOST)
    if status in SOFT:
        rest = _doubled(_SOFT_REST, failures - PATIENCE, _SOFT_REST_AT_MOST)
    else:
        rest = _doubled(_REFUSED_REST, failures - 1, _REFUSED_REST_AT_MOST)
    return max(rest, retry_after or 0.0)


def _doubled(first: float, times: int, at_most: float) -> float:
    return float(min(first * 2 ** min(max(times, 0), _DOUBLINGS_AT_MOST), at_most))


def as_told(status: str) -> str | None:
    """What its owner is told of it: "" that it works, a trouble's name, or None for nothing new.

    A provider that is down says so in more than one way, and one that is busy needs nobody's help.
    """
    if status == KeyStatus.VALID:
        return ""
    if status in (KeyStatus.PENDING, KeyStatus.RATE_LIMITED):
        return None
    return KeyStatus.UNREACHABLE if status == KeyStatus.TROUBLE else status
