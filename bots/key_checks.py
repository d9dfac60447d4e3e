"""Checking a key: one probe of its provider, on the worker's loop, and the verdict kept."""

from bots.models import ApiKey, Robot
from bots.provider import Endpoint
from bots.vault import VaultError
from bots.worker import Worker


async def check(key_id: str, worker: Worker) -> None:
    """Ask the provider what the key is worth, and keep the verdict."""
    key = await worker.database(_load, key_id)
    if key is None:
        return
    try:
        endpoint = await worker.database(_endpoint, key)
    except VaultError:
        await worker.database(key.take_verdict, "invalid", "the stored key does not open")
        return
    verdict = await worker.provider.probe(endpoint)
    await worker.database(key.take_verdict, verdict.status, verdict.evidence, verdict.models)


def _load(key_id: str) -> ApiKey | None:
    return ApiKey.objects.bound().filter(pk=key_id).first()


def _endpoint(key: ApiKey) -> Endpoint:
    base_url, clear = key.open()
    robot = Robot.objects.filter(number=key.number_id).first()
    return Endpoint(base_url=base_url, api_key=clear, model=robot.model if robot else "")
