"""What every route answers to everybody: one row a route, one word a role.

The words stand in the order of ROLES: a status, or `login` for the way to the login page. The
number of the examples is Alice's approved one; that she owns it is the only thing she has.
"""

from typing import NamedTuple

ROLES = ["anonymous", "charlie", "alice", "moderator", "administrator"]


class Row(NamedTuple):
    """The arguments name what `tests.browser.scene` has made; other words stand for themselves."""

    get: str
    post: str
    arguments: dict[str, str] = {}
    body: dict[str, str] = {}
    headers: dict[str, str] = {}


MAIN = {"app_id": "main"}
PART = {"HX-Request": "true"}  # a part of a page; whoever opens it by itself is sent to the page
KEY = MAIN | {"key_id": "key"}
TRIAL = MAIN | {"message_id": "trial_live"}
CHAT = {"handle": "main.handle"}
MESSAGE = CHAT | {"message_id": "main.message"}

SUSPEND = {"decision": "suspend", "reason": "spam", "seen": str(2**63 - 1)}  # whatever it is by now

ALL_200 = "200 200 200 200 200"
ALL_302 = "302 302 302 302 302"
ALL_404 = "404 404 404 404 404"
ALL_405 = "405 405 405 405 405"  # a wrong method is refused before anybody is asked for
STRANGERS_200 = "200 302 302 302 302"  # who is signed in already is sent on
PEOPLE_200 = "login 200 200 200 200"
PEOPLE_302 = "login 302 302 302 302"
PEOPLE_405 = "login 405 405 405 405"
OWNER_200 = "login 404 200 404 404"
OWNER_302 = "login 404 302 404 404"
OWNER_303 = "login 404 303 404 404"
DESK_200 = "login 403 403 200 200"
DESK_302 = "login 403 403 302 302"

HOME = {
    "home": Row(ALL_200, ALL_405),
    "set_language": Row(ALL_405, ALL_302, body={"language": "en"}),
    "avatar": Row(ALL_200, ALL_405, {"digest": "avatar"}),
    "first-administrator": Row(ALL_404, ALL_404, {"token": "forged:x:y"}),
    "health-live": Row(ALL_200, ALL_405),
    "health-ready": Row("503 503 503 503 503", ALL_405),  # no worker runs here
}

CONSOLE = {
    "console": Row(PEOPLE_200, ALL_405),
    "notices": Row(PEOPLE_200, ALL_405),
    "notices-read": Row(ALL_405, PEOPLE_302),
    "number-new": Row(PEOPLE_200, PEOPLE_200),
    "number": Row(OWNER_200, ALL_405, MAIN),
    "number-profile": Row(OWNER_200, OWNER_200, MAIN),
    "number-move": Row(ALL_405, OWNER_302, MAIN | {"transition": "submit"}),
    "number-credentials": Row(OWNER_200, ALL_405, MAIN),
    "secret-new": Row(ALL_405, OWNER_302, MAIN),
    "secret-change": Row(ALL_405, OWNER_302, MAIN | {"generation": "1", "deed": "freeze"}),
    "number-keys": Row(OWNER_200, OWNER_200, MAIN),
    "key-edit": Row(OWNER_200, OWNER_200, KEY),
    "key-row": Row("401 404 200 404 404", ALL_405, KEY, headers=PART),
    "key-check": Row(ALL_405, OWNER_302, KEY),
    "key-remove": Row(ALL_405, OWNER_302, KEY),
    "number-robot": Row(OWNER_200, OWNER_200, MAIN),
    "robot-publish": Row(ALL_405, OWNER_302, MAIN),
    "robot-discard": Row(ALL_405, OWNER_302, MAIN),
    "robot-try": Row(OWNER_200, OWNER_302, MAIN, {"message": "Hello?"}),
    "robot-trial": Row("401 404 200 404 404", ALL_405, TRIAL, headers=PART),
    "robot-versions": Row(OWNER_200, ALL_405, MAIN),
    "robot-version": Row(OWNER_200, ALL_405, MAIN | {"no": "1"}),
    "robot-rollback": Row(ALL_405, OWNER_302, MAIN | {"no": "1"}),
    "number-safety": Row(OWNER_200, OWNER_302, MAIN),
    "number-feedback": Row(OWNER_200, ALL_405, MAIN),
    "number-usage": Row(OWNER_200, ALL_405, MAIN),
    "usage-entries": Row(OWNER_200, ALL_405, MAIN),
    "usage-export": Row(OWNER_200, ALL_405, MAIN),
    "number-budget": Row(OWNER_200, OWNER_302, MAIN),
    "price-set": Row(ALL_405, OWNER_200, MAIN),
    "price-remove": Row(ALL_405, OWNER_302, MAIN | {"price_id": "price"}),
    "number-calls": Row(OWNER_200, ALL_405, MAIN),
    "number-addresses": Row(OWNER_200, OWNER_200, MAIN),
    "address-remove": Row(ALL_405, OWNER_302, MAIN | {"network_id": "network"}),
}

DESK = {
    "review": Row(DESK_200, ALL_405),
    "review-number": Row(DESK_200, ALL_405, MAIN),
    "review-decide": Row(ALL_405, DESK_302, MAIN, SUSPEND),
}

# Approved, without guests: whoever is signed in may ask, and reads nothing but his own.
TALK = {
    "chat": Row(PEOPLE_200, ALL_405, CHAT),
    "chat-ask": Row(
        ALL_405, "login 303 303 303 303", CHAT, {"message": "Hello?", "key": "key-of-this-test"}
    ),
    "chat-conversation": Row(OWNER_200, ALL_405, CHAT | {"conversation_id": "main.conversation"}),
    "chat-message": Row("401 404 200 404 404", ALL_405, MESSAGE, headers=PART),
    "chat-stream": Row(OWNER_200, ALL_405, MESSAGE),
    "chat-stop": Row(ALL_405, OWNER_303, MESSAGE),
    "chat-rating": Row(ALL_405, OWNER_303, MESSAGE, {"rating": "like"}),
    "chat-follow": Row(ALL_405, PEOPLE_302, CHAT, {"following": "yes"}),
    "chat-news": Row(PEOPLE_200, ALL_405, CHAT),
    "chat-news-seen": Row(ALL_405, PEOPLE_302, CHAT, {"seq": "1"}),
}

# django-allauth's; the examples stop at its first question.
ACCOUNTS = {
    "account_login": Row(STRANGERS_200, STRANGERS_200),
    "account_logout": Row("302 200 200 200 200", ALL_302),
    "account_inactive": Row(ALL_200, ALL_405),
    "account_signup": Row(STRANGERS_200, STRANGERS_200),
    "account_reauthenticate": Row(PEOPLE_200, PEOPLE_200),
    "account_email": Row(PEOPLE_200, PEOPLE_302),
    "account_email_verification_sent": Row(ALL_200, ALL_405),
    "account_change_password": Row(PEOPLE_200, PEOPLE_200),
    "account_set_password": Row(PEOPLE_302, PEOPLE_302),
    "account_reset_password": Row(ALL_200, ALL_200),
    "account_confirm_login_code": Row(ALL_302, ALL_302),
    "account_confirm_email": Row(ALL_200, ALL_302, {"key": "confirmation"}),
    "account_reset_password_from_key_done": Row(ALL_200, ALL_405),
    "account_reset_password_from_key": Row(
        ALL_302, ALL_302, {"uidb36": "reset.uid", "key": "reset.key"}
    ),
    "account_reset_password_done": Row(ALL_200, ALL_405),
    "mfa_index": Row(PEOPLE_200, PEOPLE_405),
    "mfa_authenticate": Row(ALL_302, ALL_302),
    "mfa_reauthenticate": Row(PEOPLE_302, PEOPLE_302),
    "mfa_activate_totp": Row(PEOPLE_302, PEOPLE_302),
    "mfa_deactivate_totp": Row("login 404 404 404 404", "login 404 404 404 404"),
    "mfa_view_recovery_codes": Row("login 404 404 404 404", PEOPLE_405),
    "mfa_generate_recovery_codes": Row(PEOPLE_302, PEOPLE_302),
    "mfa_download_recovery_codes": Row("login 404 404 404 404", "login 404 404 404 404"),
    "usersessions_list": Row(PEOPLE_200, PEOPLE_302),
}

# The open interface knows tokens, and no session.
NO_TOKEN = "401 401 401 401 401"
API = {
    "ddio-token": Row(ALL_405, "400 400 400 400 400"),
    "ddio-chat-send": Row(NO_TOKEN, NO_TOKEN),
    "ddio-feed": Row(NO_TOKEN, NO_TOKEN),
    "ddio-feed-item": Row(NO_TOKEN, NO_TOKEN, {"message_id": "main.message"}),
    "ddio-stream": Row(NO_TOKEN, NO_TOKEN, {"message_id": "main.message"}),
    "ddio-message-send": Row(NO_TOKEN, NO_TOKEN),
    "ddio-followers": Row(NO_TOKEN, NO_TOKEN),
    "ddio-rating": Row(NO_TOKEN, NO_TOKEN, {"message_id": "main.message"}),
    "ddio-chat-cancel": Row(NO_TOKEN, NO_TOKEN),
    "ddio-conversations": Row(NO_TOKEN, NO_TOKEN),
    "ddio-messages": Row(NO_TOKEN, NO_TOKEN, {"conversation_id": "main.conversation"}),
    "ddio-person": Row(NO_TOKEN, NO_TOKEN, {"open_id": "alice"}),
    "ddio-quota": Row(NO_TOKEN, NO_TOKEN),
    "ddio-usage": Row(NO_TOKEN, NO_TOKEN),
    "ddio-schema": Row(ALL_200, ALL_405),
    "ddio-docs": Row(ALL_200, ALL_405),
    "ddio-calls": Row(ALL_200, ALL_405),
    "oauth-token": Row(ALL_405, "400 400 400 400 400"),
    "oauth-revoke": Row(ALL_405, "400 400 400 400 400"),
    "oauth-metadata": Row(ALL_200, ALL_405),
    "wechat-stable-token": Row(ALL_200, ALL_200),  # WeChat's: what went wrong is in errcode
    "wechat-token": Row(ALL_200, ALL_200),
    "ddio-root": Row(ALL_404, ALL_404),
    "ddio-unknown": Row(ALL_404, ALL_404, {"rest": "nothing"}),
    "openai-completions": Row(NO_TOKEN, NO_TOKEN),
    "openai-models": Row(NO_TOKEN, NO_TOKEN),
    "openai-model": Row(NO_TOKEN, NO_TOKEN, {"model": "echo"}),
    "openai-root": Row(ALL_404, ALL_404),
    "openai-unknown": Row(ALL_404, ALL_404, {"rest": "nothing"}),
}

TABLE = HOME | CONSOLE | DESK | TALK | ACCOUNTS | API

# Django's admin: no row each, but the rule that it is for administrators alone.
ADMIN = "admin:"

# The canaries of Alice's approved number that somebody else may see, and where.
SHOWN_TO_PEOPLE = {"introduction", "greeting"}
SHOWN_TO_MODERATORS = {"introduction", "greeting", "prompt", "label", "reason", "owner"}
ALLOWED_LEAKS = {
    **{("chat", role): SHOWN_TO_PEOPLE for role in ("charlie", "moderator", "administrator")},
    **{("review", role): {"owner"} for role in ("moderator", "administrator")},
    **{("review-number", role): SHOWN_TO_MODERATORS for role in ("moderator", "administrator")},
}

# The chat in every state of the number: its page to ROLES, and to Alice's own conversation.
# Guests are anonymous: only where the robot admits them do they see anything.
CHAT_BY_STATE = {
    "draft": ("404 404 200 404 404", "404 404 200 404 404"),
    "in_review": ("404 404 200 404 404", "404 404 200 404 404"),
    "rejected": ("404 404 200 404 404", "404 404 200 404 404"),
    "suspended": ("404 404 200 404 404", "404 404 200 404 404"),
    "closed": ("404 404 200 404 404", "404 404 200 404 404"),
    "main": (PEOPLE_200, OWNER_200),
    "guests": (ALL_200, "404 404 200 404 404"),
}
