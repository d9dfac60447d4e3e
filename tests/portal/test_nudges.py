"""Nudges: nobody waits for the broker, what waits travels together, and losing one is harmless."""

import threading

import pytest

from portal import nudges
from portal.nudges import Sender
from tests.bots.at_work import wait_for

pytestmark = pytest.mark.alike


class Broker:
    """Stands where `send` is: takes what is sent, hangs as long as it is told, and may break."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.is_there = threading.Event()
        self.is_there.set()
        self.trouble: Exception | None = None

    def send(self, task_name: str, *items: str) -> bool:
        self.is_there.wait(5)
        trouble, self.trouble = self.trouble, None
        if trouble:
            raise trouble
        self.sent.append((task_name, *items))
        return True


@pytest.fixture
def broker(monkeypatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(nudges, "send", made.send)
    monkeypatch.setattr(nudges, "at_the_end", lambda deed: None)
    monkeypatch.setattr(nudges.atexit, "register", lambda deed: None)
    return made


def waiting_at_a_hanging_broker(broker: Broker, *put: tuple[str, list[str]]) -> Sender:
    """A sender whose first nudge the broker has not taken yet, while others wait."""
    broker.is_there.clear()
    sender = Sender()
    sender.put("first", ["0"])
    wait_for(lambda: sender._is_sending)
    for task_name, items in put:
        sender.put(task_name, items)
    return sender


def test_a_nudge_is_sent_at_once(broker):
    sender = Sender()
    sender.put("answer", ["1"])
    sender.flush()
    assert broker.sent == [("answer", "1")]


def test_what_waits_for_one_task_travels_together(broker):
    sender = waiting_at_a_hanging_broker(broker, ("answer", ["1"]), ("answer", ["2", "3"]))
    broker.is_there.set()
    sender.flush()
    assert broker.sent == [("first", "0"), ("answer", "1", "2", "3")]


def test_one_message_carries_so_many_at_most(broker, monkeypatch):
    monkeypatch.setattr(nudges, "TOGETHER_AT_MOST", 2)
    sender = Sender()
    sender.put("answer", ["1", "2", "3"])
    sender.flush()
    assert broker.sent == [("answer", "1", "2"), ("answer", "3")]


def test_a_task_that_has_to_be_told_nothing_is_sent_too(broker):
    sender = Sender()
    sender.put("tidy", [])
    sender.flush()
    assert broker.sent == [("tidy",)]


def test_the_task_that_has_waited_longest_comes_first(broker):
    sender = waiting_at_a_hanging_broker(broker, ("check_key", ["k"]), ("answer", ["1"]))
    broker.is_there.set()
    sender.flush()
    assert broker.sent[1:] == [("check_key", "k"), ("answer", "1")]


def test_a_broker_that_hangs_keeps_no_more_than_a_limit(broker, monkeypatch):
    monkeypatch.setattr(nudges, "WAITING_AT_MOST", 2)
    puts = [("answer", [str(each)]) for each in range(5)]
    sender = waiting_at_a_hanging_broker(broker, *puts)
    broker.is_there.set()
    sender.flush()
    assert broker.sent[1:] == [("answer", "0", "1")]


def test_the_flush_waits_for_so_long_and_no_longer(broker):
    sender = waiting_at_a_hanging_broker(broker, ("answer", ["1"]))
    sender.flush(0.05)
    assert broker.sent == []
    broker.is_there.set()
    sender.flush()
    assert len(broker.sent) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_sending_dies_of_the_next_nudge_is_sent(broker):
    broker.trouble = RuntimeError("a bug of a broker's client")
    sender = Sender()
    sender.put("answer", ["1"])
    wait_for(lambda: not sender._thread.is_alive())
    sender.put("answer", ["2"])
    sender.flush()
    assert broker.sent == [("answer", "2")]


def test_a_broker_that_is_away_is_not_asked_again_for_a_moment(settings, monkeypatch):
    monkeypatch.setattr(nudges._Broker, "away_until", 0.0)
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise ConnectionRefusedError

    monkeypatch.setattr(nudges.pools.ProducerPool, "acquire", refuse)
    assert [nudges.send("answer", "1"), nudges.send("answer", "2")] == [False, False]
    assert len(asked) <= 1
