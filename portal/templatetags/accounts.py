"""What the pages of an account say: where the login leads, and which browser a session is in."""

from allauth.account.models import EmailAddress
from django import template
from django.core.validators import slug_re
from django.urls import Resolver404, resolve

from portal.models import ServiceNumber, State, User

register = template.Library()

# The first that is found counts: most browsers also name those that they descend from.
BROWSERS = {
    "MicroMessenger/": "WeChat",
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "Chrome/": "Chrome",
    "CriOS/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iPadOS",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@register.filter
def browser(user_agent: str) -> str:
    """Browser and system in two words; "" for what is neither."""
    known = (BROWSERS, SYSTEMS)
    found = (next((names[part] for part in names if part in user_agent), "") for names in known)
    return " · ".join(word for word in found if word)


@register.simple_tag
def robot_behind(next_page: str | None) -> str:
    """The name of the approved number whose chat the login leads to; "" for any other page."""
    try:
        match = resolve((next_page or "").partition("?")[0])
    except Resolver404:
        return ""
    handle = match.kwargs.get("handle", "")
    if match.url_name not in ("chat", "chat-conversation") or not slug_re.match(handle):
        return ""
    approved = ServiceNumber.objects.filter(handle=handle, state=State.APPROVED)
    return approved.values_list("name", flat=True).first() or ""


@register.simple_tag
def is_confirmed(user: User) -> bool:
    """Whether no address of this person's, an old one or a new one, waits for its confirmation."""
    return not EmailAddress.objects.filter(user=user, verified=False).exists()
