"""The cache: shared by processes in Valkey, a memory of each process without it."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.core.cache import cache

from portal import valkey


@pytest.fixture(params=["with Valkey", "without Valkey"])
def store(request, monkeypatch):
    away = {"with Valkey": 0.0, "without Valkey": float("inf")}
    monkeypatch.setattr(valkey._Pause, "until", away[request.param])
    cache.clear()
    return cache


@pytest.mark.parametrize("value", [1, 1.5, "你好", [1.0, 2.0], {"a": None}, True, None])
def test_it_keeps_what_json_can_say(store, value):
    store.set("key", value)
    assert store.get("key", "nothing") == value


def test_it_knows_nothing_of_another_key(store):
    assert store.get("key") is None
    assert store.get("key", 3) == 3
    assert "key" not in store


def test_of_many_who_add_at_once_one_does(store):
    with ThreadPoolExecutor(16) as pool:
        added = list(pool.map(lambda number: store.add("key", number), range(64)))
    assert added.count(True) == 1


def test_what_is_deleted_is_gone(store):
    store.set("key", 1)
    assert (store.delete("key"), store.delete("key")) == (True, False)
    assert store.get("key") is None


def test_it_forgets_in_time(store):
    store.set("key", 1, timeout=0.05)
    time.sleep(0.1)
    assert store.get("key") is None
    assert store.add("key", 2)


def test_what_has_no_time_left_is_not_kept(store):
    store.set("key", 1)
    store.set("key", 2, timeout=0)
    assert store.get("key") is None


def test_without_a_timeout_it_is_kept(store):
    store.set("key", 1, timeout=None)
    assert store.get("key") == 1


def test_a_touch_prolongs_what_is_there(store):
    store.set("key", 1, timeout=0.05)
    assert store.touch("key", 10)
    time.sleep(0.1)
    assert store.get("key") == 1
    assert not store.touch("other")


def test_it_refuses_what_json_cannot_say(store):
    with pytest.raises(TypeError):
        store.set("key", object())


def test_clearing_it_leaves_everything_else_in_valkey(settings):
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set("something else", "1")
    cache.set("key", 1)
    cache.clear()
    assert (cache.get("key"), client.get("something else")) == (None, b"1")


def test_nothing_in_it_is_a_pickle(settings):
    cache.set("key", {"a": [1]})
    assert redis.Redis.from_url(settings.REDIS_URL).get("fw:cache:1:key") == b'{"a": [1]}'
