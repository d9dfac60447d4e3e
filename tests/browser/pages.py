"""Every page that a person sees, with somebody who may see it: what axe and the camera walk over.

A route of the site is in PAGES or, with its reason, in NO_PAGE; `test_axe.py` fails otherwise.
"""

from dataclasses import dataclass, field

from django.urls import reverse


@dataclass(frozen=True)
class Page:
    """`arguments` name what `scene.populate` has made; other words stand for themselves.

    So do the names in braces of a `query`.
    """

    name: str  # of the picture, and of the test
    route: str
    role: str = "alice"
    arguments: dict[str, str] = field(default_factory=dict)
    query: str = ""
    path: str = ""  # instead of a route: what is not there

    def url(self, scene: dict[str, str]) -> str:
        if self.path:
            return self.path
        given = {key: scene.get(word, word) for key, word in self.arguments.items()}
        return reverse(self.route, kwargs=given) + self.query.format(**scene)


def of_number(name: str, route: str, key: str = "main", query: str = "", **more: str) -> Page:
    return Page(name, route, "alice", {"app_id": key} | more, query)


def of_chat(name: str, key: str, role: str = "alice", query: str = "") -> Page:
    return Page(name, "chat", role, {"handle": f"{key}.handle"}, query)


def conversation(name: str, key: str) -> Page:
    given = {"handle": f"{key}.handle", "conversation_id": f"{key}.conversation"}
    return Page(name, "chat-conversation", "alice", given)


def of_news(name: str, key: str, role: str = "alice") -> Page:
    return Page(name, "chat-news", role, {"handle": f"{key}.handle"})


def account(route: str, role: str = "alice", **arguments: str) -> Page:
    return Page(route.removeprefix("account_").replace("_", "-"), route, role, arguments)


# First those that ask for the password again when some minutes have gone by.
ACCOUNTS = [
    account("mfa_index"),
    Page("mfa-index-with-totp", "mfa_index", "erin"),
    account("mfa_activate_totp"),
    account("mfa_deactivate_totp", "erin"),
    account("mfa_view_recovery_codes", "erin"),
    account("mfa_generate_recovery_codes", "erin"),
    account("mfa_authenticate", "half-erin"),
    account("mfa_reauthenticate", "erin"),
    account("account_reauthenticate"),
    account("account_email", "newcomer"),
    account("account_change_password"),
    account("usersessions_list"),
    account("account_logout"),
    account("account_login", "anonymous"),
    account("account_signup", "anonymous"),
    account("account_inactive", "anonymous"),
    account("account_email_verification_sent", "anonymous"),
    account("account_confirm_email", "anonymous", key="confirmation"),
    account("account_reset_password", "anonymous"),
    account("account_reset_password_done", "anonymous"),
    account("account_reset_password_from_key", "anonymous", uidb36="reset.uid", key="reset.key"),
    account("account_reset_password_from_key_done", "anonymous"),
]

CONSOLE = [
    Page("home", "home", "anonymous"),
    Page("home-signed-in", "home"),
    Page("console", "console"),
    Page("console-empty", "console", "newcomer"),
    Page("notices", "notices"),
    Page("notices-empty", "notices", "newcomer"),
    Page("number-new", "number-new"),
    *[
        of_number(f"number-{key}", "number", key)
        for key in ("main", "draft", "in_review", "rejected", "suspended", "closed", "simulated")
    ],
    Page("number-bare", "number", "moderator", {"app_id": "bare"}),
    of_number("profile", "number-profile"),
    of_number("profile-draft", "number-profile", "draft"),
    of_number("profile-in-review", "number-profile", "in_review"),
    of_number("profile-closed", "number-profile", "closed"),
    of_number("credentials", "number-credentials"),
    of_number("credentials-empty", "number-credentials", "draft"),
    of_number("keys", "number-keys"),
    of_number("keys-empty", "number-keys", "draft"),
    of_number("keys-add", "number-keys", "draft", query="?add=1"),
    of_number("keys-simulated", "number-keys", "simulated"),
    of_number("key-edit", "key-edit", key_id="key"),
    of_number("robot", "number-robot"),
    of_number("robot-simulated", "number-robot", "simulated"),
    Page("robot-bare", "number-robot", "moderator", {"app_id": "bare"}),
    of_number("robot-draft", "number-robot", query="?draft"),
    of_number("robot-versions", "robot-versions"),
    Page("robot-versions-empty", "robot-versions", "moderator", {"app_id": "bare"}),
    of_number("robot-version", "robot-version", no="3"),
    of_number("robot-version-live", "robot-version", no="4"),
    of_number("robot-try", "robot-try"),
    of_number("robot-try-answered", "robot-try", query="?live={trial_live}&draft={trial_draft}"),
    of_number("robot-try-nothing", "robot-try", "draft"),
    of_number("safety", "number-safety"),
    of_number("safety-nothing", "number-safety", "draft"),
    Page("safety-bare", "number-safety", "moderator", {"app_id": "bare"}),
    of_number("feedback", "number-feedback"),
    of_number("feedback-disliked", "number-feedback", query="?rating=dislike"),
    of_number("feedback-nothing", "number-feedback", query="?openID=nobody&rating=like"),
    Page("feedback-empty", "number-feedback", "moderator", {"app_id": "bare"}),
    of_number("usage", "number-usage"),
    of_number("usage-entries", "usage-entries"),
    of_number("usage-budget", "number-budget"),
    Page("usage-empty", "number-usage", "moderator", {"app_id": "bare"}),
    Page("usage-entries-empty", "usage-entries", "moderator", {"app_id": "bare"}),
    Page("usage-budget-empty", "number-budget", "moderator", {"app_id": "bare"}),
    of_number("call-log", "number-calls"),
    of_number("call-log-refused", "number-calls", query="?outcome=refused&period=day"),
    of_number("call-log-nothing", "number-calls", query="?request_id=req_of_nobody"),
    Page("call-log-empty", "number-calls", "moderator", {"app_id": "bare"}),
    of_number("addresses", "number-addresses"),
    of_number("addresses-empty", "number-addresses", "draft"),
    of_number("addresses-closed", "number-addresses", "closed"),
]

DESK = [
    Page("review", "review", "moderator"),
    *[
        Page(f"review-{key}", "review-number", "moderator", {"app_id": key})
        for key in ("in_review", "main", "rejected", "suspended", "moderators", "simulated")
    ],
]

CHAT = [
    of_chat("chat-first-visit", "charlies", "newcomer"),
    of_chat("chat-guest", "guests", "anonymous"),
    of_chat("chat-new", "main", query="?new=1"),
    *[
        conversation(f"chat-{key}", key)
        for key in ("main", "draft", "in_review", "suspended", "closed", "simulated")
    ],
    of_chat("chat-unread-news", "guests"),
    of_news("news", "main"),
    of_news("news-nothing-yet", "charlies"),
    of_news("news-not-followed", "main", "newcomer"),
    of_news("news-draft", "draft"),
    of_news("news-suspended", "suspended"),
    of_news("news-guest", "guests", "anonymous"),
]

OTHERS = [
    Page("docs", "ddio-docs", "anonymous"),
    *[Page(f"calls-{code}", "ddio-calls", query=f"?in={code}") for code in ("curl", "python")],
    Page("calls-node", "ddio-calls", "anonymous", query="?in=node"),
    Page("not-found", "", "anonymous", path="/no-such-page/"),
    Page("forbidden", "", "alice", path="/review/"),
]

PAGES = [*ACCOUNTS, *CONSOLE, *DESK, *CHAT, *OTHERS]

NO_PAGE = {
    "set_language": "a change",
    "notices-read": "a change",
    "number-move": "a change",
    "secret-new": "a change; the page that it answers with is in test_axe.py by itself",
    "secret-change": "a change",
    "address-remove": "a change",
    "price-set": "a change; what it refuses it says on number-budget",
    "price-remove": "a change",
    "usage-export": "a file",
    "key-check": "a change",
    "key-remove": "a change",
    "robot-publish": "a change",
    "robot-discard": "a change",
    "robot-rollback": "a change",
    "review-decide": "a change",
    "chat-ask": "a change",
    "chat-stop": "a change",
    "chat-rating": "a change",
    "chat-follow": "a change",
    "chat-news-seen": "a change",
    "key-row": "a part of number-keys",
    "robot-trial": "a part of robot-try",
    "chat-message": "a part of chat-conversation",
    "chat-stream": "a stream of events",
    "avatar": "a picture",
    "first-administrator": "gone once there is an administrator; the journey looks at it",
    "account_set_password": "for accounts without a password, which nobody can sign in to",
    "account_confirm_login_code": "logging in by a code is switched off",
    "mfa_download_recovery_codes": "a text file",
    "ddio-token": "the open interface: JSON",
    "ddio-chat-send": "the open interface: JSON",
    "ddio-feed": "the open interface: JSON",
    "ddio-feed-item": "the open interface: JSON",
    "ddio-stream": "the open interface: JSON",
    "oauth-token": "the open interface: JSON",
    "oauth-revoke": "the open interface: JSON",
    "oauth-metadata": "the open interface: JSON",
    "wechat-stable-token": "the open interface: JSON",
    "wechat-token": "the open interface: JSON",
    "ddio-message-send": "the open interface: JSON",
    "ddio-followers": "the open interface: JSON",
    "ddio-chat-cancel": "the open interface: JSON",
    "ddio-rating": "the open interface: JSON",
    "ddio-conversations": "the open interface: JSON",
    "ddio-messages": "the open interface: JSON",
    "ddio-person": "the open interface: JSON",
    "ddio-quota": "the open interface: JSON",
    "ddio-usage": "the open interface: JSON",
    "ddio-root": "the open interface: JSON",
    "ddio-unknown": "the open interface: JSON",
    "openai-completions": "the open interface: JSON",
    "openai-models": "the open interface: JSON",
    "openai-model": "the open interface: JSON",
    "openai-root": "the open interface: JSON",
    "openai-unknown": "the open interface: JSON",
    "ddio-schema": "the open interface: YAML",
    "health-live": "for machines",
    "health-ready": "for machines",
}
