"""The demo number: approved, open to guests, answered by the model that ships with the platform."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from bots import keys
from bots.models import Robot
from portal import moderation, numbers
from portal.models import ServiceNumber, User

HANDLE = "demo"
OWNER = "demo@fuwuhao.invalid"
SYSTEM_PROMPT = "You are a friendly assistant. Answer briefly and in plain words."
# The small model reads 2,048 tokens in all.
CONTEXT_TOKENS = 1_200
ANSWER_TOKENS = 400


def ensure_demo_number() -> ServiceNumber:
    """The demo number, made once; what an administrator changed on it later stays."""
    with transaction.atomic():
        existing = ServiceNumber.objects.filter(handle=HANDLE).first()
        if existing:
            return existing
        owner = User.objects.filter(email=OWNER).first()
        owner = owner or User.objects.create_user(OWNER, is_active=False)
        introduction = _(
            "A small demo model on this machine. It speaks English and is often wrong."
        )
        number = numbers.create(
            owner, "Demo robot", actor=None, introduction=introduction, handle=HANDLE
        )
        Robot.objects.create(
            number=number,
            model=settings.LOCAL_MODEL_NAME,
            system_prompt=SYSTEM_PROMPT,
            greeting=_("Hello. I am a small demo model: ask me something in English."),
            guests_allowed=True,
            context_tokens=CONTEXT_TOKENS,
            answer_tokens=ANSWER_TOKENS,
        )
        keys.bind(number, keys.LOCAL, "", actor=None, label="Local model")
        moderation.move(number, moderation.SUBMIT, actor=None)
        moderation.move(number, moderation.APPROVE, actor=None)
    return number
