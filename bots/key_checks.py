"""Checking a key: one probe of its provider, on the worker's loop, and the verdict kept.

Its list of models is asked for first: while that fails, a check costs no tokens. Then the model
itself is asked for one token, for no list tells of a quota that is used up. So a key that has
failed costs one token when it comes back, and none before.
"""

import structlog
from django.utils.translation import gettext_noop

from bots import keys
from bots.models import ApiKey, Robot
from bots.provider import Endpoint
from bots.vault import NoMasterKeyOpens, VaultError
from bots.worker import Worker

logger = structlog.get_logger(__name__)


async def check(key_id: str, worker: Worker) -> None:
    """Ask the provider what the key is worth, and keep the verdict."""
    key = await worker.database(keys.begin_check, key_id)
    if key is None:
        return
    try:
        endpoint = await worker.database(_endpoint, key)
    except NoMasterKeyOpens:
        # Nothing is known of the key: its master key is on its way to this machine, or lost, which
        # the start and /health/ready say. The check stays due.
        logger.error("api_key_does_not_open", key=key.pk)
        return
    except VaultError:
        await worker.database(
            key.end_check, "invalid", gettext_noop("the stored key does not open")
        )
        return
    verdict = await worker.provider.probe(endpoint, proves=not key.is_built_in)
    await worker.database(
        key.end_check, verdict.status, verdict.evidence, verdict.models, verdict.retry_after
    )


def _endpoint(key: ApiKey) -> Endpoint:
    """Read after the key: a model chosen since then has asked for a check of its own.

    What the simulator's models do is no verdict on its key: many are there to break.
    """
    base_url, clear = key.open()
    if key.is_sandbox:
        return Endpoint(base_url=base_url, api_key=clear, model="")
    robot = Robot.objects.filter(number=key.number_id).first()
    return Endpoint(base_url=base_url, api_key=clear, model=robot.model if robot else "")
