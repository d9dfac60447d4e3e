"""The Celery application. `celery -A portal worker` starts what answers.

What travels through the broker are nudges: hints that a row wants work (rule 1). Tasks end as soon
as the worker knows, and what a dead worker was told is found by the sweepers of the others. So the
broker keeps no book of what was taken and not acknowledged (`no_ack`): with Redis that would be two
transactions for each message, and a message of a dead worker would come back after the sweepers
have seen to it. The settings for acknowledged tasks stand here all the same, for whoever adds some:
the visibility timeout is named in each of the three places that read it and is far above the
longest task; the restore throttle is 1, or a killed worker's tasks come back only after minutes.
"""

import os
from typing import Any

from celery import Celery
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

from django.conf import settings

VISIBILITY_TIMEOUT_SECONDS = 3600
BROKER_CONNECT_SECONDS = 1

app = Celery("fuwuhao")


def _transport_options() -> dict[str, Any]:
    if settings.CELERY_BROKER_URL.startswith(("amqp", "pyamqp")):
        return {"max_retries": 0, "interval_start": 0, "connect_retries_timeout": 1}
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": BROKER_CONNECT_SECONDS,
        "socket_keepalive": True,
        "max_retries": 0,
        "interval_start": 0,
        "connect_retries_timeout": BROKER_CONNECT_SECONDS,
    }


app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_transport_options=_transport_options(),
    result_backend_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS},
    visibility_timeout=VISIBILITY_TIMEOUT_SECONDS,
    broker_connection_timeout=BROKER_CONNECT_SECONDS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_queues=[Queue("celery", no_ack=True)],
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=10,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_publish_retry=False,
    timezone="UTC",
    beat_schedule={
        "tidy": {"task": "portal.tasks.tidy", "schedule": 600.0},
        "tidy-chat": {"task": "bots.tasks.tidy", "schedule": 600.0},
        "tidy-calls": {"task": "ddio_api.tasks.tidy", "schedule": 600.0},
    },
)
app.autodiscover_tasks(["portal", "bots", "ddio_api"])

app.steps["worker"].add("bots.celery_steps:Answering")
