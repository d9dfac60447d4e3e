"""What attempts need from the database, read for a batch of them before the first network call."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import structlog

from bots import context, vault
from bots.models import ApiKey, Channel, Message, Prompt, Robot
from bots.provider import Endpoint, Sampling

logger = structlog.get_logger(__name__)

Keys = list[tuple[ApiKey, Endpoint]]


@dataclass(frozen=True)
class Plan:
    """How to answer one message: `keys` are the usable ones, in the order to try them."""

    message: Message
    sampling: Sampling
    turns: list[dict[str, str]]
    keys: Keys


def make_all(messages: Collection[Message]) -> list[Plan]:
    """A plan for each of these."""
    number_ids = {message.number_id for message in messages}
    robots = Robot.objects.in_bulk(number_ids)
    keys = _usable_keys(number_ids)
    # Whoever asks at the OpenAI door brings his own turns, in a trial, too.
    may_have = [each.pk for each in messages if each.channel in (Channel.OPENAI, Channel.SANDBOX)]
    given = Prompt.objects.in_bulk(may_have) if may_have else {}
    return [
        _plan(message, robots[message.number_id], keys[message.number_id], given.get(message.pk))
        if message.number_id in robots
        else Plan(message, Sampling(), [], [])  # nothing to ask anybody with
        for message in messages
    ]


def _plan(
    message: Message, robot: Robot, keys: list[tuple[ApiKey, str, str]], given: Prompt | None
) -> Plan:
    endpoints = [
        (key, Endpoint(base_url=base_url, api_key=clear, model=robot.model))
        for key, base_url, clear in keys
    ]
    return Plan(message, _sampling(robot, given), context.build(robot, message, given), endpoints)


def _usable_keys(number_ids: set[int]) -> dict[int, list[tuple[ApiKey, str, str]]]:
    """Each number's usable keys with their base URL and their clear text."""
    found = defaultdict(list)
    for key in ApiKey.objects.usable().filter(number__in=number_ids):
        try:
            found[key.number_id].append((key, *key.open()))
        except vault.VaultError:
            logger.error("api_key_does_not_open", key=key.pk)
    return found


def _sampling(robot: Robot, given: Prompt | None) -> Sampling:
    """The robot's, unless the caller chose: he may shorten the answer, not lengthen it."""
    chosen = {"temperature": robot.temperature} | (given.params if given else {})
    limits = [chosen.get("max_tokens"), robot.answer_tokens]
    chosen["max_tokens"] = min((limit for limit in limits if limit is not None), default=None)
    return Sampling(**chosen)
