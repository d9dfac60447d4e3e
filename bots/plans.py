"""What attempts need from the database, read for a batch of them before the first network call."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import structlog
from django.db import DEFAULT_DB_ALIAS

from bots import context, vault
from bots.models import ApiKey, Channel, Message, Prompt, Robot
from bots.provider import Endpoint, Sampling
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
    """How to answer one message: `keys` are the usable ones, in the order to try them."""

    message: Message
    sampling: Sampling
    turns: list[dict[str, str]]
    keys: Keys
    standing: Standing = Standing.GRANTED


# One statement for a batch: the robots, and with each of them its number's usable keys in the order
# of ApiKeyQuerySet.usable. By the ORM it would be the dearest step of them all.
_ROBOT = ["number_id", "model", "system_prompt", "temperature", "context_tokens", "answer_tokens"]
_KEY = ["id", "number_id", "label", "is_local", "is_sandbox", "base_url", "sealed", "status"]
_KEY += ["checked_at"]
_ROBOTS_AND_KEYS = """SELECT {robot}, {key} FROM bots_robot AS robot LEFT JOIN bots_apikey AS k
    ON k.number_id = robot.number_id AND k.removed_at IS NULL AND k.status <> 'invalid'
    AND (NOT k.is_sandbox OR NOT EXISTS (SELECT 1 FROM bots_apikey AS other
        WHERE other.number_id = k.number_id AND other.removed_at IS NULL AND NOT other.is_sandbox))
    WHERE {these}
    ORDER BY CASE WHEN k.status IN ('valid', 'pending') THEN 0 ELSE 1 END, k.priority, k.created_at
"""


@dataclass
class _Answering:
    """What answers a number's questions: its robot, and its keys in clear."""

    robot: Robot
    keys: list[tuple[ApiKey, str, str]]


def make_all(messages: Collection[Message]) -> list[Plan]:
    """A plan for each of these."""
    answering = _answering({message.number_id for message in messages})
    # Whoever asks at the OpenAI door brings his own turns, in a trial, too.
    may_have = [each.pk for each in messages if each.channel in (Channel.OPENAI, Channel.SANDBOX)]
    given = Prompt.objects.in_bulk(may_have) if may_have else {}
    return [
        _plan(message, answering[message.number_id], given.get(message.pk))
        if message.number_id in answering
        else Plan(message, Sampling(), [], [])  # nothing to ask anybody with
        for message in messages
    ]


def _plan(message: Message, answering: _Answering, given: Prompt | None) -> Plan:
    robot = answering.robot
    endpoints = [
        (key, Endpoint(base_url=base_url, api_key=clear, model=robot.model))
        for key, base_url, clear in answering.keys
    ]
    turns = context.build(robot, message, given)
    return Plan(message, _sampling(robot, given), turns, endpoints)


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
            *facts, checked_at = row[len(_ROBOT) :]
            facts.append(statements.aware(checked_at))
            answering.keys += _opened(ApiKey.from_db(DEFAULT_DB_ALIAS, _KEY, facts))
    return found


def _opened(key: ApiKey) -> list[tuple[ApiKey, str, str]]:
    """The key with its base URL and its clear text; nothing where it does not open."""
    try:
        return [(key, *key.open())]
    except vault.VaultError:
        logger.error("api_key_does_not_open", key=key.pk)
        return []


def _sampling(robot: Robot, given: Prompt | None) -> Sampling:
    """The robot's, unless the caller chose: he may shorten the answer, not lengthen it."""
    chosen = {"temperature": robot.temperature} | (given.params if given else {})
    limits = [chosen.get("max_tokens"), robot.answer_tokens]
    chosen["max_tokens"] = min((limit for limit in limits if limit is not None), default=None)
    return Sampling(**chosen)
