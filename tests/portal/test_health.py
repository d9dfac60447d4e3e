"""Health names each part; ready means that questions are taken and somebody answers them."""

import asyncio
import json
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from portal import health, outbox, valkey
from portal.alive import AliveFirst
from portal.models import OutboxEntry, WorkerHeartbeat

pytestmark = pytest.mark.django_db


def test_live_asks_nobody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_it_is_ready_once_a_worker_is_there(client):
    assert client.get("/health/ready").status_code == 503
    WorkerHeartbeat.objects.create(name="w1")
    response = client.get("/health/ready")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    assert set(response.json()["parts"]) == {
        "database",
        "worker",
        "cache",
        "broker",
        "outbox",
        "stored",
    }


def test_a_worker_that_fell_silent_does_not_count(client):
    long_ago = timezone.now() - timedelta(minutes=1)
    WorkerHeartbeat.objects.create(name="w1", at=long_ago)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["parts"]["worker"] == "down"


def test_without_valkey_it_is_degraded_but_ready(client, monkeypatch):
    def away(command):
        raise valkey.Unavailable

    WorkerHeartbeat.objects.create(name="w1")
    monkeypatch.setattr(valkey, "ask", away)
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_without_a_database_it_is_down(client, monkeypatch):
    def away():
        raise OperationalError

    monkeypatch.setattr(connection, "cursor", away)
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["parts"]["database"]) == (503, "down")


def test_an_outbox_that_nobody_empties_is_named(client):
    WorkerHeartbeat.objects.create(name="w1")
    outbox.add("nobody.cares")
    OutboxEntry.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert client.get("/health/ready").json()["parts"]["outbox"] == "late"


def test_a_broker_of_its_own_is_asked_itself(settings):
    settings.CELERY_BROKER_URL = "amqp://guest:guest@127.0.0.1:1//"
    assert not health._broker_is_the_cache()


def test_health_is_never_cached(client):
    assert "no-store" in client.get("/health/ready")["Cache-Control"]
    assert client.post("/health/live").status_code == 405


def test_live_needs_no_thread():
    sent: list[dict] = []

    async def send(event) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": "/health/live"}
    asyncio.run(AliveFirst(None)(scope, None, send))
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"]) == {"status": "ok"}
