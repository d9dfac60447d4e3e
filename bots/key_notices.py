"""Telling a number's owner that one of its API keys went out of use, or came back."""

import json
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from bots import evidence, verdict_words
from bots.models import ApiKey, KeyStatus
from bots.models.key_status import IN_ROTATION
from portal import notices
from portal.models import Notice

KINDS = (Notice.Kind.KEY_DOWN, Notice.Kind.KEY_BACK, Notice.Kind.ROBOT_DOWN)


def tell(payload: dict[str, Any]) -> None:
    """Carry out ApiKey.CHANGED. A key that was removed meanwhile interests nobody."""
    bound = ApiKey.objects.bound().select_related("number__owner")
    key = bound.filter(pk=payload["key"]).first()
    if key is None:
        return
    facts = {name: payload[name] for name in ("status", "evidence")} | {"key": str(key)}
    notice = {
        "number": key.number_id,
        "action": _kind(key, payload["status"]),
        "reason": json.dumps(facts, ensure_ascii=False),
        "at": payload["at"],
    }
    notices.tell_owner(key.number, notice)


def _kind(key: ApiKey, status: str) -> Notice.Kind:
    if status == KeyStatus.VALID:
        return Notice.Kind.KEY_BACK
    others = key.number.api_keys.in_charge().exclude(pk=key.pk)
    works = others.filter(status__in=IN_ROTATION).exists()
    return Notice.Kind.KEY_DOWN if works else Notice.Kind.ROBOT_DOWN


def in_words(facts: str) -> str:
    """What a notice's facts say, in the present language."""
    known = json.loads(facts)
    status, seen = KeyStatus(known["status"]), known["evidence"]
    sentence = _("%(key)s: %(verdict)s (%(seen)s). %(advice)s") % {
        "key": known["key"],
        "verdict": status.label,
        "seen": evidence.in_words(seen),
        "advice": verdict_words.advice(status, seen),
    }
    return str(capfirst(sentence))
