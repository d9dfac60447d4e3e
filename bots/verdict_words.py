"""What the verdict on a key means for its owner: what to do about it."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bots.models import KeyStatus
from bots.provider_faults import NO_CONNECTION, NOT_CALLED

ADVICE: dict[str, str | Promise] = {
    KeyStatus.PENDING: _("We are asking the provider whether the key works."),
    KeyStatus.VALID: _("The provider accepts it. There is nothing to do."),
    KeyStatus.RATE_LIMITED: _(
        "The provider takes no more calls for the moment. The key stays in use; more calls a"
        " minute are a matter of your plan there."
    ),
    KeyStatus.OUT_OF_QUOTA: _(
        "The quota at the provider is used up. Top it up there, then check again."
    ),
    KeyStatus.NO_ACCESS: _(
        "The provider does not let this key use the robot's model. Choose another model on the"
        " robot page, or have it enabled at the provider."
    ),
    KeyStatus.INVALID: _(
        "The provider refused the key (401). Make a new key there and bind it here."
    ),
    KeyStatus.TROUBLE: _(
        "The provider itself has a fault. It is looked at again by itself; if it lasts, see the"
        " provider's status page."
    ),
    KeyStatus.UNREACHABLE: _(
        "The provider could not be reached at this base URL. Compare the URL with the provider's"
        " own page, then check again."
    ),
    KeyStatus.INCOMPATIBLE: _(
        "What answers at this base URL does not speak OpenAI's protocol. Compare the URL with the"
        " provider's own page: it often ends in /v1."
    ),
}
# More exactly, by what was seen.
SEEN: dict[tuple[str, str], str | Promise] = {
    (KeyStatus.UNREACHABLE, f"{NO_CONNECTION}: the host name does not resolve"): _(
        "There is no host of this name, or this machine's name server does not know it. Compare the"
        " spelling of the base URL."
    ),
    (KeyStatus.UNREACHABLE, f"{NO_CONNECTION}: the TLS certificate was refused"): _(
        "The host's certificate is not one that this machine trusts. A private provider's authority"
        " has to be installed here by the operator."
    ),
    (KeyStatus.UNREACHABLE, f"{NO_CONNECTION}: the TLS handshake failed"): _(
        "What answers there does not speak TLS. If it is a private provider, it may want http://,"
        " which the operator permits with OUTBOUND_ALLOW."
    ),
    (KeyStatus.UNREACHABLE, f"{NO_CONNECTION}: refused"): _(
        "The host is there, but nothing listens at this port. Compare the port of the base URL, or"
        " start the provider."
    ),
    (KeyStatus.UNREACHABLE, "timed out"): _(
        "The provider took too long. If it goes on, something between here and there drops the"
        " connection: a firewall, or a wrong address."
    ),
}
NOT_ALLOWED = _("This address may not be called from here. The operator can open it.")


def advice(status: str, seen: str = "") -> str:
    """The sentence for a verdict and the evidence that it rests on, in the reader's language."""
    if status == KeyStatus.UNREACHABLE and seen.startswith(NOT_CALLED):
        return str(NOT_ALLOWED)
    return str(SEEN.get((status, seen)) or ADVICE[status])
