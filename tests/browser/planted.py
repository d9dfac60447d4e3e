"""Every field that somebody can fill, filled with what must not run.

It is written past the forms, so that no page may rely on what another one refuses.
"""

import json
from itertools import count

from allauth.account.models import EmailAddress
from django.db import transaction

from bots import beside, faults, followers, ratings, robots, safety, settlement
from bots.blocked import Finding
from bots.models import (
    ApiKey,
    BlockedWords,
    Channel,
    KeyStatus,
    KeyVerdict,
    Message,
    News,
    Person,
    Place,
    Price,
    Robot,
    RobotDraft,
    RobotVersion,
    Source,
    Status,
)
from ddio_api.models import Call
from portal import audit, credentials, moderation, numbers
from portal.models import AllowedNetwork, ServiceNumber, State, User
from tests import factories
from tests.bots.spending import spend
from tests.browser import scene
from tests.browser.payloads import PAYLOADS, fitting, short

EVERYTHING = "\n\n".join(PAYLOADS)
NAMES_AT_MOST = 40
_number = count(1)


@transaction.atomic
def build(provider_url: str) -> dict[str, str]:
    alice = User.objects.get(email=scene.email_of("alice"))
    moderator = User.objects.get(email=scene.email_of("moderator"))
    mallory = User.objects.create_user(scene.email_of("mallory"), scene.PASSWORD)
    EmailAddress.objects.create(user=mallory, email=mallory.email, verified=True, primary=True)
    for name in fitting(60)[:NAMES_AT_MOST]:
        _hostile(mallory, name, provider_url)
    shown = _hostile(alice, short(60)[0], provider_url)
    messages = _conversation(shown, alice, Channel.WEB)
    made_versions = _versions(shown, alice)
    _strangers(shown)
    _blocked(shown)
    _news(shown, alice)
    keys = _keys(shown, provider_url)
    _calls(shown)
    _models(shown)
    credentials.issue(shown, actor=alice)
    audit.record("number.edit", actor=alice, number=shown, old=EVERYTHING, new=EVERYTHING)
    waiting = _hostile(alice, short(60)[1], provider_url, State.DRAFT)
    _conversation(waiting, alice, Channel.SANDBOX)
    _keys(waiting, provider_url)
    moderation.move(waiting, moderation.SUBMIT, actor=alice)
    suspended = _hostile(alice, short(60)[2], provider_url)
    moderation.move(suspended, moderation.SUSPEND, actor=moderator, reason=EVERYTHING)
    made = scene.names_of("hostile", shown, messages) | {"hostile.key": keys[0].pk}
    made |= made_versions
    made |= scene.names_of("hostile.waiting", waiting, [])
    return made | scene.names_of("hostile.suspended", suspended, [])


def plant(provider_url: str) -> None:
    print(json.dumps(build(provider_url)))


def _hostile(
    owner: User, name: str, provider_url: str, state: str = State.APPROVED
) -> ServiceNumber:
    """An approved number that says everything; it echoes what one asks it."""
    made = numbers.create(owner, f"Hostile {next(_number)}", actor=owner)
    facts = {"name": name, "introduction": EVERYTHING, "category": PAYLOADS[0], "state": state}
    ServiceNumber.objects.filter(pk=made.pk).update(**facts)
    share = -(-len(PAYLOADS) // 4)
    Robot.objects.create(
        number=made,
        model="brisk",
        system_prompt=EVERYTHING,
        greeting=EVERYTHING,
        guests_allowed=True,
        suggested_questions=[
            "\n".join(PAYLOADS[at : at + share]) for at in range(0, len(PAYLOADS), share)
        ],
    )
    made.refresh_from_db()
    return made


def _conversation(made: ServiceNumber, user: User, channel: str) -> list[Message]:
    """Each payload as a question, as its answer, as the reason of a rating."""
    person = Person.objects.create(number=made, user=user, open_id=f"o_{made.pk}h{user.pk}")
    messages = []
    for payload in PAYLOADS:
        told = settlement.Outcome(Status.DONE, payload, model=payload[:120])
        messages.append(scene.said(made, person, channel, payload, told))
        ratings.rate(messages[-1], "dislike", payload)
    return messages


def _versions(made: ServiceNumber, user: User) -> dict[str, str]:
    """Each note of a version, its prompt and model; a draft, and two answers to one question."""
    for no, note in enumerate(short(120), start=1):
        told = {"model": note, "system_prompt": EVERYTHING, "context_tokens": no}
        RobotVersion.objects.create(number=made, no=no, note=note, published_by=user, **told)
    robot = Robot.objects.get(number=made)
    robots.keep_draft(made, robot.settings | {"model": PAYLOADS[1][:120]}, actor=user, note=note)
    draft = RobotDraft.objects.get(number=made)
    pair = beside.ask(made, EVERYTHING, robot, draft)
    for message in (pair.live, pair.draft):
        scene.settled(message, settlement.Outcome(Status.DONE, EVERYTHING, model=PAYLOADS[0][:120]))
    return {"hostile.live": pair.live.pk, "hostile.draft": pair.draft.pk}


def _news(made: ServiceNumber, user: User) -> None:
    """Each payload as a message to her who follows."""
    following = followers.follow(made, user)
    News.objects.bulk_create(
        News(number=made, seq=seq, text=payload, accepted=1)
        for seq, payload in enumerate(PAYLOADS, start=following.seq + 1)
    )


def _strangers(made: ServiceNumber) -> None:
    for name in fitting(64)[:20]:
        person = Person.objects.create(number=made, open_id=name)
        scene.said(made, person, Channel.DDIO, name, settlement.failure(71005))


def _blocked(made: ServiceNumber) -> None:
    """As many as a page shows: payloads as the word, and as what was asked and answered."""
    BlockedWords.objects.create(number=made, words=EVERYTHING, version=1)
    person = Person.objects.create(number=made, open_id="blocked")
    for text in PAYLOADS[-10:]:
        found = Finding(Place.ANSWER, Source.NUMBER, text, EVERYTHING)
        fate = safety.outcome(settlement.failure(faults.BLOCKED), found)
        scene.said(made, person, Channel.DDIO, EVERYTHING, fate)


def _calls(made: ServiceNumber) -> None:
    """A caller chooses his method, and what he is called by in the log; an owner his notes."""
    Call.objects.bulk_create(
        factories.unsaved_call(made, method=text[:10], operation=text, request_id=text)
        for text in short(60)
    )
    AllowedNetwork.objects.bulk_create(
        AllowedNetwork(number=made, network=f"203.0.113.{last}", note=text)
        for last, text in enumerate(short(60))
    )


def _models(made: ServiceNumber) -> None:
    """An owner chooses what his models are called, and prices them."""
    for text in fitting(120):
        spend(made, model=text)
        Price.objects.create(number=made, model=text, input=1, output=1)


def _keys(made: ServiceNumber, provider_url: str) -> list[ApiKey]:
    """The first opens and is used; the others only look dangerous."""
    good = ApiKey(number=made, base_url=provider_url, label="good", status=KeyStatus.VALID)
    good.seal("sk-test-1234567890")
    keys = [good]
    for label in short(60):
        key = ApiKey(number=made, label=label, base_url=label, status=KeyStatus.INVALID)
        key.models_listed = PAYLOADS
        key.mask = label[:20]
        keys.append(key)
    ApiKey.objects.bulk_create(keys)
    KeyVerdict.objects.bulk_create(
        KeyVerdict(key=keys[1], status=KeyStatus.INVALID, evidence=evidence)
        for evidence in fitting(500)
    )
    return [keys[1], *keys]
