"""One command, and a robot answers through DDIO: the real local model, through Celery."""

import pytest

from tests.platform import Platform, running_platform

# The model is the same on both stacks; what is kept of it there is tested in bots.
pytestmark = [pytest.mark.processes, pytest.mark.alike]


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with running_platform(tmp_path_factory.mktemp("local")) as running:
        yield running


def test_the_local_model_answers_and_the_feed_holds_it(platform: Platform):
    provisioned = platform.provision()
    client = platform.client(provisioned)
    answered = client.ask("Say hello.", wait=60)
    assert (provisioned["keyStatus"], answered["status"]) == ("valid", "done")
    assert answered["answer"].strip()
    assert client.feed() == [answered]


def test_the_stream_ends_with_the_same_answer(platform: Platform):
    client = platform.client(platform.provision(name="Streaming robot"))
    asked = client.ask("Count to five.")
    events = list(client.stream(asked["messageID"]))
    text = "".join(data["text"] for event, _id, data in events if event == "delta")
    assert [event for event, _id, _data in events].count("done") == 1
    assert text == events[-1][2]["answer"] == client.item(asked["messageID"])["answer"]


def test_the_demo_number_waits(platform: Platform):
    shown = platform.manage("shell", "--command", DEMO).stdout
    assert "approved smollm2-135m True" in shown


DEMO = """
from portal.models import ServiceNumber
demo = ServiceNumber.objects.get(handle="demo")
print(demo.state, demo.robot.model, demo.robot.guests_allowed)
"""


def test_provision_is_idempotent(platform: Platform):
    first = platform.provision(name="Twice")
    again = platform.manage(
        "provision", "--developer-email", "dev@example.org", "--number-name", "Twice", "--json"
    )
    assert f'"appId": "{first["appId"]}", "appSecret": null' in again.stdout


def test_a_fresh_installation_offers_one_link_to_the_first_administrator(platform: Platform):
    assert platform.output.read_text().count("/accounts/first-administrator/") == 1
