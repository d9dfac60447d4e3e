"""The demo number: approved, open to guests, answered by the model that ships with the platform."""

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from bots import keys, robots
from portal import moderation, numbers
from portal.models import ServiceNumber, User

OWNER = "demo@fuwuhao.invalid"
# Kept in English: each visitor reads them in his own language, see `translated`.
NAME = gettext_noop("Demo robot")
INTRODUCTION = gettext_noop(
    "A small demo model on this machine. It speaks English and is often wrong."
)
GREETING = gettext_noop("Hello. I am a small demo model: ask me something in English.")
# In English for everybody, because the model understands nothing else.
QUESTIONS = ["What is a service number?", "Tell me a short story."]
SYSTEM_PROMPT = "You are a friendly assistant. Answer briefly and in plain words."
# The small model reads 2,048 tokens in all.
CONTEXT_TOKENS = 1_200
ANSWER_TOKENS = 400


def ensure_demo_number() -> ServiceNumber:
    """The demo number, made once; what an administrator changed on it later stays."""
    with transaction.atomic():
        existing = ServiceNumber.objects.filter(handle=numbers.DEMO_HANDLE).first()
        if existing:
            return existing
        owner = User.objects.filter(email=OWNER).first()
        owner = owner or User.objects.create_user(OWNER, is_active=False)
        number = numbers.create(
            owner, NAME, actor=None, introduction=INTRODUCTION, handle=numbers.DEMO_HANDLE
        )
        told = {
            "model": settings.LOCAL_MODEL_NAME,
            "system_prompt": SYSTEM_PROMPT,
            "greeting": GREETING,
            "suggested_questions": QUESTIONS,
            "guests_allowed": True,
            "context_tokens": CONTEXT_TOKENS,
            "answer_tokens": ANSWER_TOKENS,
        }
        robots.save(number, told, actor=None)
        keys.bind(number, keys.LOCAL, "", actor=None, label="Local model")
        moderation.move(number, moderation.SUBMIT, actor=None)
        moderation.move(number, moderation.APPROVE, actor=None)
    return number


def translated(number: ServiceNumber, text: str) -> str:
    """A text of a number as it is shown: what came with the demo number is in every language."""
    is_ours = number.handle == numbers.DEMO_HANDLE and text in (NAME, INTRODUCTION, GREETING)
    return gettext(text) if is_ours else text
