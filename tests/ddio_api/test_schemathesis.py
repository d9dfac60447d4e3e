"""Schemathesis over the whole schema, as an app and as nobody: no 5xx, no undocumented status.

https://schemathesis.readthedocs.io. Every check of its own that applies is on, and what it does is
the same each time. SCHEMATHESIS_EXAMPLES makes it go deeper, for nobody, too: without a token
most doors say no before they have looked at anything.
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from bots import claims, settlement
from bots.line import Waiting
from bots.models import Channel, Message, Status
from portal import nudges
from portal.models import ServiceNumber
from tests import factories
from tests.conftest import DdioClient
from tests.ddio_api.in_process import Site

IS_DEEP = "SCHEMATHESIS_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))  # of each operation, and of walks
SCHEMA = "/platform/api2/schema/"
PLENTY = 1_000_000
REFUSALS = [400, 401, 403, 404, 405, 409, 413, 429]  # the library's own, and 413
ACCEPTED = [200, 202, 400, 401, 403, 404, 409, 429]
# What OpenAPI cannot say of a door. WeChat's refuse under HTTP 200, a wrong method, too; OAuth's
# want the client's secret either in a header or in the form; whom news is for is told by two
# fields together; what can be rated depends on the answer, and OpenAI's last message must say
# something. A form may name a field twice, which no door takes.
EXPECTED = {
    "/cgi-bin/": {
        "negative_data_rejection": {"expected-statuses": [200, *REFUSALS]},
        "unsupported_method": {"enabled": False},
    },
    "/oauth2/": {"positive_data_acceptance": {"expected-statuses": [200, 400, 401]}},
    "/platform/api2/token": {"positive_data_acceptance": {"expected-statuses": [200, 400, 401]}},
    "/platform/api2/message/send": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    "/platform/api2/.+/rating": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    "/v1/": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
}
OF_SOCKETS = ("max_redirects", "verify", "cert", "proxies")


@dataclass
class Report:
    """What a run has done and found."""

    operations: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def hear(self, event: Any) -> None:
        if isinstance(event, events.NonFatalError):
            self.faults.append(f"{event.label}: {event.info.format()}")
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.ScenarioFinished):
            self._count(event)
            self.faults += _faults(event.recorder)

    def _count(self, event: events.ScenarioFinished) -> None:
        answers = [one.response for one in event.recorder.interactions.values()]
        self.cases[event.phase.value] += len(answers)
        self.statuses.update(one.status_code for one in answers if one is not None)

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {count}" for name, count in self.cases.items())
        statuses = ", ".join(
            f"{count}× {status}" for status, count in sorted(self.statuses.items())
        )
        total = sum(self.cases.values())
        return f"{self.operations} operations, {total} cases ({phases}): {statuses}"


def _faults(recorder: Any) -> Iterator[str]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info:
                failure = check.failure_info.failure
                answer = recorder.interactions[case_id].response.content[:300]
                call = check.failure_info.code_sample[:600]
                yield f"{check.name}: {failure.title}: {failure.message}\n{call}\n{answer!r}"


@pytest.fixture
def limitless(settings: Any) -> None:
    settings.DDIO_REQUESTS_PER_SECOND = settings.DDIO_REQUEST_BURST = PLENTY
    settings.DDIO_WRONG_SECRETS_PER_MINUTE = PLENTY
    settings.ASKS_PER_NUMBER_AND_DAY = settings.ASKS_PER_PERSON_AND_DAY = PLENTY
    settings.DDIO_MAX_WAIT = 0.05


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other question is answered at once, and all of OpenAI's door; the rest stay open."""
    turns = itertools.cycle([True, False])

    def answer(_task: str, waiting: Waiting) -> None:
        message_id = waiting.message_id
        through_openai = Message.objects.filter(pk=message_id, channel=Channel.OPENAI).exists()
        turn = next(turns) or through_openai
        claimed = claims.claim(message_id, "tests") if turn else None
        if claimed:
            settlement.settle(claimed, settlement.Outcome(Status.DONE, "Hi.", model="echo"))

    monkeypatch.setattr(nudges, "nudge", answer)


@pytest.fixture
def without_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """4.32 hands what is for sockets alone to WSGI, too, where it asks without a session."""
    send = WSGITransport.send

    def sent(self: WSGITransport, case: Any, **given: Any) -> Any:
        return send(
            self, case, **{key: value for key, value in given.items() if key not in OF_SOCKETS}
        )

    monkeypatch.setattr(WSGITransport, "send", sent)


def configuration(headers: dict[str, str]) -> SchemathesisConfig:
    generation = {"max-examples": EXAMPLES, "deterministic": True, "database": "none"}
    checks = {"negative_data_rejection": {"expected-statuses": REFUSALS}}
    special = [{"include-path-regex": f"^{path}", "checks": one} for path, one in EXPECTED.items()]
    given = {"seed": 4, "headers": headers, "generation": generation, "checks": checks}
    whole = {"enabled": bool(headers) or IS_DEEP}
    phases = {"coverage": whole, "stateful": whole}
    given |= {"operations": special, "phases": phases, "continue-on-failure": True}
    return SchemathesisConfig.from_dict(given)


def run(headers: dict[str, str]) -> Report:
    site = Site()
    schema = schemathesis.openapi.from_wsgi(SCHEMA, site, config=configuration(headers))
    report = Report(operations=schema.statistic.operations.total)
    for event in from_schema(schema).execute():
        report.hear(event)
    print(report)
    return report


def token_of(number: ServiceNumber) -> str:
    """From the token door, as an app takes it."""
    secret = factories.secret(number)
    body = {"appID": number.app_id, "appSecret": secret.clear}
    granted: dict[str, Any] = DdioClient().post("token", body).json()
    return str(granted["accessToken"])


@pytest.mark.usefixtures("transactional_db", "limitless", "answering", "without_sockets")
def test_an_app_meets_no_server_error_and_no_undocumented_status(number):
    report = run({"Authorization": f"Bearer {token_of(number)}"})
    assert report.faults == []
    assert report.cases["stateful"] > 0


@pytest.mark.usefixtures("transactional_db", "limitless", "without_sockets")
def test_nobody_meets_no_server_error_and_no_undocumented_status():
    assert run({}).faults == []
