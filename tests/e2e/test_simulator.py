"""From `provision --simulator` to the answer, on the platform as it is started."""

from collections.abc import Iterator

import pytest

from tests.platform import Platform, running_platform

pytestmark = [pytest.mark.processes, pytest.mark.alike]


@pytest.fixture(scope="module")
def platform(tmp_path_factory) -> Iterator[Platform]:
    directory = tmp_path_factory.mktemp("simulated")
    with running_platform(directory, LOCAL_MODEL="0", SIMULATOR="1") as running:
        yield running


def test_the_platforms_own_simulator_answers(platform: Platform):
    provisioned = platform.provision("--simulator", "--model", "echo")
    assert provisioned["keyStatus"] == "valid"
    item = platform.client(provisioned).ask("Hello?", wait=20)
    assert (item["status"], item["answer"]) == ("done", "You said: Hello?")


def test_it_breaks_as_asked(platform: Platform):
    provisioned = platform.provision("--simulator", "--model", "402", name="Broken")
    item = platform.client(provisioned).ask("Hello?", wait=20)
    assert (item["status"], item["error"]["code"]) == ("failed", 71004)


def test_it_is_small_and_writes_down_nothing(platform: Platform):
    simulator = platform.part("-m", "bots.simulator")
    assert simulator.memory_info().rss < 40 * 1024 * 1024
    log = (platform.data_dir / "logs" / "simulator.log").read_text()
    assert log.startswith("serving at http://127.0.0.1:")
    assert log.count("\n") == 1
