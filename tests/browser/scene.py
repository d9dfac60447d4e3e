"""A platform that has been lived in: everybody, and a number in every state.

    manage.py shell -c 'from tests.browser import scene; scene.populate()'

prints one JSON object of what the tests need to find it again. All of it is written in one
transaction, so no worker sees a question before its answer.
"""

import json
from datetime import timedelta
from io import BytesIO
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.db import transaction
from django.utils import timezone
from PIL import Image

from bots import (
    beside,
    chat,
    erasing,
    faults,
    followers,
    keys,
    news,
    ratings,
    robots,
    safety,
    safety_own,
    settlement,
)
from bots.blocked import Finding
from bots.models import (
    ApiKey,
    Budget,
    Channel,
    EntryState,
    KeyStatus,
    Message,
    Person,
    Place,
    Price,
    Robot,
    Source,
    Status,
)
from bots.simulator import behaviours
from bots.tabs import Rate
from ddio_api.models import Call, Door, Gap, Outcome
from portal import allowed_networks, credentials, moderation, numbers
from portal.models import Avatar, ServiceNumber, State, User
from tests.bots.spending import spend

PASSWORD = "a long and winding road"
STRANGERS = 50
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PEOPLE: dict[str, dict[str, Any]] = {
    "alice": {},
    "charlie": {},
    "moderator": {"is_moderator": True},
    "administrator": {"is_moderator": True, "is_staff": True, "is_superuser": True},
    "erin": {},  # has a second factor
    "newcomer": {},  # has nothing yet
    "forgetful": {},  # never signs in: a reset link works until one does
}
STATES = [State.DRAFT, State.IN_REVIEW, State.REJECTED, State.SUSPENDED, State.CLOSED]
# What only few may see, by the name under which a leak is reported.
CANARIES = {
    "introduction": "canary-introduction-3fb1",
    "prompt": "canary-prompt-77d0",
    "draft": "canary-draft-9e04",
    "greeting": "canary-greeting-b24e",
    "label": "canary-label-91c7",
    "mask": "canary-mask-e5",
    "evidence": "canary-evidence-06aa",
    "reason": "canary-reason-d81c",
    "question": "canary-question-4c9d",
    "answer": "canary-answer-a6f2",
    "comment": "canary-comment-58be",
    "address": "203.0.113.214",
    "note": "canary-note-1d90",
    "news": "canary-news-2ab4",
    "owner": "alice@example.org",
}
MARKDOWN = """# A heading

Some *emphasis*, some **weight**, a [link](https://example.org/page), and `code`.

1. one
2. two
   - nested

> A quotation that goes on for a while, so that its end can be seen on a narrow screen as well.

```python
def greet(name: str) -> str:
    # a comment that is rather long, so that the block has to scroll sideways on a small screen
    return f"Hello, {name}" if name else "Hello"
```

| Model | Tokens | Remark |
|---|--:|---|
| small | 135 | 机器人 in GPT |
| large | 70000 | a longer remark that wraps |

![a picture](https://example.org/picture.png)

中文与 Latin 混排：这是一个较长的段落，用来检查换行与标点。
"""


@transaction.atomic
def build(provider_url: str = "https://api.example.com/v1") -> dict[str, str]:
    """Names of things and what they are called in URLs."""
    made: dict[str, str] = {}
    people = {name: person(name, fields) for name, fields in PEOPLE.items()}
    _second_factor(people["erin"])
    made |= _mail_links(people)
    made |= _numbers(people, provider_url)
    return made


def populate(provider_url: str = "https://api.example.com/v1") -> None:
    print(json.dumps(build(provider_url)))


# People -----------------------------------------------------------------------------------------


def email_of(name: str) -> str:
    return f"{name}@example.org"


def person(name: str, fields: dict[str, Any]) -> User:
    user = User.objects.create_user(email_of(name), PASSWORD, **fields)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def _second_factor(user: User) -> None:
    TOTP.activate(user, TOTP_SECRET)
    RecoveryCodes.activate(user)


def _mail_links(people: dict[str, User]) -> dict[str, str]:
    newcomer, forgetful = people["newcomer"], people["forgetful"]
    second = EmailAddress.objects.create(user=newcomer, email="second@example.org")
    return {
        "confirmation": EmailConfirmationHMAC.create(second).key,
        "reset.uid": user_pk_to_url_str(forgetful),
        "reset.key": default_token_generator.make_token(forgetful),
    }


# Numbers ----------------------------------------------------------------------------------------


def _numbers(people: dict[str, User], provider_url: str) -> dict[str, str]:
    alice, moderator = people["alice"], people["moderator"]
    made: dict[str, str] = {}
    main = number(alice, "Alice's robot", State.APPROVED, moderator)
    _avatar(main)
    made |= versions(main, alice)  # before the keys, which another model would have checked anew
    _every_verdict(main, provider_url)
    credentials.issue(main, actor=alice)
    credentials.freeze(credentials.issue(main, actor=alice).row, actor=alice)
    credentials.revoke(credentials.issue(main, actor=alice).row, actor=alice)
    made |= names_of("main", main, talk(main, alice)) | {"avatar": main.avatar_digest}
    made["key"] = ApiKey.objects.filter(number=main, status=KeyStatus.INVALID).get().pk
    made["key.checking"] = ApiKey.objects.filter(number=main, status=KeyStatus.PENDING).get().pk
    made["generation"] = "1"
    strangers_ask(main)
    filter_blocks(main)
    systems_call(main)
    made["price"] = str(spent(main).pk)
    made["network"] = str(allowed_networks.add(main, "203.0.113.0/24", actor=alice, note="ERP").pk)
    allowed_networks.add(main, "2001:db8::/48", actor=alice, note=CANARIES["note"])
    for state in STATES:
        one = number(alice, f"Robot {state.label}", State.DRAFT, moderator)
        made |= names_of(state, one, talk(one, alice, Channel.SANDBOX))
        bring(one, state, moderator)
    made |= _simulated(alice, moderator)
    guests = number(alice, "Open robot", State.APPROVED, moderator, guests_allowed=True)
    made |= names_of("guests", guests, talk(guests, alice))
    theirs = number(people["charlie"], "查理的机器人", State.APPROVED, moderator)
    made |= names_of("charlies", theirs, talk(theirs, people["charlie"]))
    followers.follow(theirs, alice)
    by_moderator = number(moderator, "Moderator's own", State.DRAFT, None)
    moderation.move(by_moderator, moderation.SUBMIT, actor=moderator)
    made |= names_of("moderators", by_moderator, [])
    bare = numbers.create(people["moderator"], "Without anything", actor=moderator)
    return made | names_of("bare", bare, [])


def _simulated(alice: User, moderator: User) -> dict[str, str]:
    """What the simulator answers, with its check behind it."""
    one = number(alice, "Test bench", State.DRAFT, moderator)
    listed = list(behaviours.catalogue())
    fields = {"status": KeyStatus.VALID, "checked_at": timezone.now(), "models_listed": listed}
    ApiKey.objects.create(number=one, is_sandbox=True, **fields)
    made = names_of("simulated", one, talk(one, alice, Channel.SANDBOX))
    bring(one, State.IN_REVIEW, moderator)
    return made


def number(
    owner: User, name: str, state: State, moderator: User | None, **robot: Any
) -> ServiceNumber:
    is_alices = owner.email == email_of("alice")
    introduction = "Answers questions about our house. 回答关于我们的问题。 "
    introduction += CANARIES["introduction"] if is_alices else ""
    made = numbers.create(owner, name, actor=owner, introduction=introduction)
    told = {
        "model": "echo",
        "system_prompt": f"Be brief. {CANARIES['prompt'] if is_alices else ''}",
        "greeting": f"Hello, ask me something. {CANARIES['greeting'] if is_alices else ''}",
    }
    if hasattr(Robot, "suggested_questions"):
        told["suggested_questions"] = [
            "What can you do?",
            "你好，能介绍一下自己吗？",
            "How are you?",
        ]
    Robot.objects.create(number=made, **told, **robot)
    bring(made, state, moderator)
    return made


def bring(made: ServiceNumber, state: State, moderator: User | None) -> None:
    """Move a draft to its state, the way that people do."""
    reason = f"Misleading name: it poses as somebody else. {CANARIES['reason']}"
    owner = made.owner
    if state in (State.IN_REVIEW, State.APPROVED, State.REJECTED, State.SUSPENDED):
        moderation.move(made, moderation.SUBMIT, actor=owner)
    if state in (State.APPROVED, State.SUSPENDED):
        moderation.move(made, moderation.APPROVE, actor=moderator)
        send_news(made)
    if state == State.REJECTED:
        moderation.move(made, moderation.REJECT, actor=moderator, reason=reason)
    if state == State.SUSPENDED:
        moderation.move(made, moderation.SUSPEND, actor=moderator, reason=reason)
    if state == State.CLOSED:
        moderation.move(made, moderation.CLOSE, actor=owner)


def versions(made: ServiceNumber, owner: User) -> dict[str, str]:
    """A few of the robot, a draft, and a question that both were asked."""
    prompt = f"Be brief. Rhyme.\nAnswer in the language of the question. {CANARIES['prompt']}"
    for changes, note in [
        ({"system_prompt": prompt, "temperature": 0.7}, "It was too dry."),
        ({"model": "slow", "context_tokens": 8_000}, ""),
    ]:
        robots.save(made, changes, actor=owner, note=note)
    robots.roll_back(made, 2, actor=owner)
    robot = Robot.objects.get(number=made)
    told = robot.settings | {"system_prompt": f"Be thorough. {CANARIES['draft']}", "model": "slow"}
    draft = robots.keep_draft(made, told, actor=owner, note="Longer answers are wanted.")
    pair = beside.ask(made, CANARIES["question"], robot, draft)
    counted = {"prompt_tokens": 41, "completion_tokens": 160}
    for message, answer in [(pair.live, CANARIES["answer"]), (pair.draft, MARKDOWN)]:
        settled(message, settlement.Outcome(Status.DONE, answer, model="echo", **counted))
    return {"trial_live": pair.live.pk, "trial_draft": pair.draft.pk}


def names_of(key: str, made: ServiceNumber, messages: list[Message]) -> dict[str, str]:
    names = {key: made.app_id, f"{key}.handle": made.handle}
    if messages:
        names[f"{key}.message"] = messages[0].pk
        names[f"{key}.conversation"] = messages[0].conversation_id
    return names


def _avatar(made: ServiceNumber) -> None:
    content = BytesIO()
    Image.new("RGB", (256, 256), "#0b6e6e").save(content, "PNG")
    Avatar.objects.create(digest="a" * 64, image=content.getvalue())
    ServiceNumber.objects.filter(pk=made.pk).update(avatar_digest="a" * 64)
    made.avatar_digest = "a" * 64


def _every_verdict(made: ServiceNumber, provider_url: str) -> None:
    """A key of each verdict; none is due for a check, so they stay what they are."""
    for status in KeyStatus:
        key = ApiKey(number=made, base_url=provider_url, label=f"{status} {CANARIES['label']}")
        key.seal(f"sk-test-{status}-1234567890")
        key.mask = CANARIES["mask"]
        key.models_listed = ["echo", "slow"]
        key.save()
        if status != KeyStatus.PENDING:
            checked = keys.begin_check(key.pk) or key
            checked.end_check(status, f"the provider said so: {CANARIES['evidence']}")
    failed = ApiKey.objects.filter(number=made).exclude(rests_until=None)
    failed.update(check_due_at=timezone.now() + timedelta(hours=1))


def send_news(made: ServiceNumber) -> None:
    """To its owner, who follows it: the others must read none of it."""
    person = followers.follow(made, made.owner).person
    for text in [*["We are open as always."] * news.PAGE, MARKDOWN]:
        news.send(news.Notice(made, text))
    news.see(person, person.follower.seq + news.PAGE)
    is_alices = made.owner.email == email_of("alice")
    words = CANARIES["news"] if is_alices else "您的订单已发货"
    news.send(news.Notice(made, f"Your order is **on its way**. {words}", person.open_id))


# Conversations ----------------------------------------------------------------------------------


def talk(made: ServiceNumber, user: User, channel: str = Channel.WEB) -> list[Message]:
    """A person's conversation with an answer of each kind."""
    person, _new = Person.objects.get_or_create(
        number=made, user=user, defaults={"open_id": f"o_{user.pk}x{made.pk}"}
    )
    answer = CANARIES["answer"]
    cut = settlement.Outcome(Status.DONE, answer, model="echo", finish_reason="length")
    fates = [
        ("Show me everything.", settlement.Outcome(Status.DONE, MARKDOWN, model="echo")),
        ("And this?", settlement.failure(71005)),
        ("Count to forty.", settlement.Outcome(Status.CANCELLED, "1 2 3 4", model="echo")),
        (CANARIES["question"], cut),
    ]
    messages = [said(made, person, channel, text, outcome) for text, outcome in fates]
    ratings.rate(messages[0], "like")
    ratings.rate(messages[3], "dislike", CANARIES["comment"])
    return messages


def said(
    made: ServiceNumber, person: Person, channel: str, text: str, outcome: settlement.Outcome
) -> Message:
    """A question and its answer, by the doors that every channel uses."""
    return settled(chat.ask(chat.Question(made, person.open_id, text, channel)), outcome)


def settled(message: Message, outcome: settlement.Outcome) -> Message:
    Message.objects.filter(pk=message.pk).update(status=Status.RUNNING, attempt=1)
    message.refresh_from_db()
    settlement.settle(message, outcome)
    message.refresh_from_db()
    return message


def strangers_ask(made: ServiceNumber) -> None:
    """Enough for a few pages of feedback results; one of them was erased since."""
    for position in range(STRANGERS):
        person, _new = Person.objects.get_or_create(number=made, open_id=f"customer-{position % 7}")
        fate = settlement.Outcome(
            Status.DONE, f"Answer {position}. " * (position + 1), model="echo"
        )
        said(made, person, Channel.DDIO, f"Question {position}?", fate)
    erasing.erase(Person.objects.get(number=made, open_id="customer-5"))


def filter_blocks(made: ServiceNumber) -> None:
    """One of each kind, and the list that a word of them stands on."""
    safety_own.save(
        made, {"words": "# 我们不说的\n敏感词\nbad word", "moderated": True}, actor=None
    )
    found = [
        Finding(Place.QUESTION, Source.NUMBER, "敏感词"),
        Finding(Place.ANSWER, Source.OPERATOR, "bad word", "It is often said that a bad word"),
        Finding(Place.QUESTION, Source.PROVIDER, "harassment, violence"),
    ]
    person, _new = Person.objects.get_or_create(number=made, open_id="customer-blocked")
    for finding in found:
        fate = safety.outcome(settlement.failure(faults.BLOCKED), finding)
        said(made, person, Channel.DDIO, "What do they say of it? 他们怎么说？", fate)


# Spending ---------------------------------------------------------------------------------------


def spent(made: ServiceNumber) -> Price:
    """Nearly all of a budget, by calls of each kind on several days; a price of the model's."""
    Budget.objects.create(number=made, tokens=100_000, micros=12_500_000, person_asks=50)
    now = timezone.now()
    for position in range(40):
        spend(
            made,
            900 + position,
            1_200,
            at=now - timedelta(hours=position),
            rate=Rate(250_000, 2_000_000),
            is_estimated=position % 5 == 0,
            state=list(EntryState)[position % 5],
            channel=list(Channel)[position % 4],
            model=["echo", "a-model-with-a-rather-long-name-2026-11-01"][position % 2],
        )
    return Price.objects.create(number=made, model="echo", input=250_000, output=2_000_000)


# Calls ------------------------------------------------------------------------------------------


def systems_call(made: ServiceNumber) -> None:
    """A call of each outcome and door, from several addresses, and enough for a second page."""
    kinds = [
        (Door.DDIO, "ddio-token", "POST", 200, 0, Outcome.OK, CANARIES["address"]),
        (Door.DDIO, "ddio-chat-send", "POST", 202, 0, Outcome.OK, CANARIES["address"]),
        (Door.DDIO, "ddio-stream", "GET", 200, 0, Outcome.LEFT, "2001:db8::7"),
        (Door.OAUTH, "", "POST", 404, 40404, Outcome.REFUSED, "203.0.113.9"),
        (Door.DDIO, "ddio-feed", "GET", 403, 40164, Outcome.REFUSED, "198.51.100.77"),
        (Door.DDIO, "ddio-feed-item", "GET", 503, -1, Outcome.FAILED, CANARIES["address"]),
    ]
    now = timezone.now()
    rows = [
        Call(
            number=made,
            at=now - timedelta(minutes=7 * position),
            door=door,
            operation=operation,
            method=method,
            status=status,
            code=code,
            outcome=outcome,
            duration_ms=7 + position**2,
            address=address,
            request_id=f"req_01kdm8x0v2a4c6e8g1h3k5m7{position:02}",
        )
        for position in range(60, 0, -1)
        for door, operation, method, status, code, outcome, address in [
            kinds[position % len(kinds)]
        ]
    ]
    Call.objects.bulk_create(rows)
    gap = {"began": now - timedelta(hours=1), "ended": now - timedelta(minutes=58)}
    Gap.objects.create(**gap, calls=12)
