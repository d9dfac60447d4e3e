"""What attempts need from the database, read for a batch of them before the first network call."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import structlog
from django.db import DEFAULT_DB_ALIAS

from bots import context, pool, safety, vault
from bots.blocked import Finding
from bots.models import ApiKey, Channel, Configuration, Message, Prompt, Robot
from bots.provider import Endpoint, Sampling
from bots.safety import NO_GUARD, Guard
from portal import statements

logger = structlog.get_logger(__name__)

Keys = list[tuple[ApiKey, Endpoint]]


class Standing(Enum):
    """What the budgets say of a plan (`bots.budgets`)."""

    GRANTED = "granted"
    WAITS = "waits"
    REFUSED = "refused"


@dataclass(frozen=True)
class Plan:
    """How to answer one message: `keys` are the usable ones, in the order to try them.

    With a `finding` it is not to be answered at all: the safety filter found that in the question.
    """

    message: Message
    sampling: Sampling
    turns: list[dict[str, str]]
    keys: Keys
    standing: Standing = Standing.GRANTED
    guard: Guard = NO_GUARD
    finding: Finding | None = None


# One statement for a batch: the robots, and with each of them its number's usable keys, those of
# ApiKeyQuerySet.usable. By the ORM it would be the dearest step of them all. `from_db` takes the
# columns in the order of the model's fields.
_ROBOT = ["model", "system_prompt", "temperature", "context_tokens", "answer_tokens", "number_id"]
_ROBOT += ["moderated", "words_version"]
_KEY = ["id", "number_id", "label", "is_local", "is_sandbox", "base_url", "sealed", "generation"]
_KEY += ["status", "checked_at", "priority", "weight", "failures", "rests_until"]
_ROBOTS_AND_KEYS = """SELECT {robot}, {key} FROM bots_robot AS robot LEFT JOIN bots_apikey AS k
    ON k.number_id = robot.number_id AND k.removed_at IS NULL AND k.status <> 'invalid'
    AND (NOT k.is_sandbox OR NOT EXISTS (SELECT 1 FROM bots_apikey AS other
        WHERE other.number_id = k.number_id AND other.removed_at IS NULL AND NOT other.is_sandbox))
    WHERE {these}
    ORDER BY k.priority, k.created_at
"""


@dataclass
class _Answering:
    """What answers a number's questions: its robot, and its keys in clear."""

    robot: Robot
    keys: list[tuple[ApiKey, str, str]]


def make_all(messages: Collection[Message]) -> list[Plan]:
    """A plan for each of these."""
    answering = _answering({message.number_id for message in messages})
    # Whoever asks at the OpenAI door brings his own turns, in a trial, too; the trial of a draft
    # brings its robot.
    may_have = [each.pk for each in messages if each.channel in (Channel.OPENAI, Channel.SANDBOX)]
    given = Prompt.objects.in_bulk(may_have) if may_have else {}
    guards = safety.guards(each.robot for each in answering.values())
    return [
        _plan(
            message,
            answering[message.number_id],
            given.get(message.pk),
            guards[message.number_id],
        )
        if message.number_id in answering
        else Plan(message, Sampling(), [], [])  # nothing to ask anybody with
        for message in messages
    ]


def _plan(message: Message, answering: _Answering, given: Prompt | None, guard: Guard) -> Plan:
    robot = given.answering(answering.robot) if given else answering.robot
    endpoints = [
        (key, Endpoint(base_url=base_url, api_key=clear, model=robot.model))
        for key, base_url, clear in pool.in_turn(answering.keys)
    ]
    turns = context.build(robot, message, given)
    asked = [message.question]
    if given:  # whoever brings his own turns has said all of them
        asked = [turn["content"] for turn in turns[bool(robot.system_prompt) :]]
    sampling, finding = _sampling(robot, given), guard.find(asked)
    return Plan(message, sampling, turns, endpoints, guard=guard, finding=finding)


def _answering(number_ids: set[int]) -> dict[int, _Answering]:
    these, ids = statements.among("robot.number_id", list(number_ids))
    statement = _ROBOTS_AND_KEYS.format(
        robot=", ".join(f"robot.{name}" for name in _ROBOT),
        key=", ".join(f"k.{name}" for name in _KEY),
        these=these,
    )
    found: dict[int, _Answering] = {}
    for row in statements.rows(statement, ids):
        robot = Robot.from_db(DEFAULT_DB_ALIAS, _ROBOT, row[: len(_ROBOT)])
        answering = found.setdefault(robot.pk, _Answering(robot, []))
        if row[len(_ROBOT)] is not None:
            facts = dict(zip(_KEY, row[len(_ROBOT) :], strict=True))
            for time in ("checked_at", "rests_until"):
                facts[time] = statements.aware(facts[time])
            key = ApiKey.from_db(DEFAULT_DB_ALIAS, _KEY, list(facts.values()))
            answering.keys += _opened(key)
    return found


def _opened(key: ApiKey) -> list[tuple[ApiKey, str, str]]:
    """The key with its base URL and its clear text; nothing where it does not open."""
    try:
        return [(key, *key.open())]
    except vault.VaultError:
        logger.error("api_key_does_not_open", key=key.pk)
        return []


def _sampling(robot: Configuration, given: Prompt | None) -> Sampling:
    """The robot's, unless the caller chose: he may shorten the answer, not lengthen it."""
    chosen = {"temperature": robot.temperature} | (given.params if given else {})
    limits = [chosen.get("max_tokens"), robot.answer_tokens]
    chosen["max_tokens"] = min((limit for limit in limits if limit is not None), default=None)
    return Sampling(**chosen)
