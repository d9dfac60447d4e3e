"""What was seen of a key, in the reader's language.

Kept is plain English, which the worker wrote: a sentence of ours, marked `gettext_noop` where it is
made, alone or as `class: detail`; the detail may be a provider's own words, which stay.
"""

from django.utils.translation import gettext as _


def in_words(evidence: str) -> str:
    what, colon, detail = evidence.partition(": ")
    if not colon:
        return _ours(evidence)
    return _("%(what)s: %(detail)s") % {"what": _ours(what), "detail": _ours(detail)}


def _ours(text: str) -> str:
    """Translated where it is ours: of others' words the catalogue knows nothing."""
    return _(text) if text else ""  # an empty one stands for the catalogue's head
