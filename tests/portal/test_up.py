"""What must hold before `manage.py up` starts anything, and the parts that it starts."""

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from django.core import checks

from portal import embedded, parts
from portal.environment import BASE_DIR
from portal.management.commands import up
from portal.supervisor import Part


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        yield stranger.getsockname()[1]


def test_it_refuses_a_port_that_is_taken_and_names_it(taken_port):
    with pytest.raises(up.CannotStartError, match=f"127.0.0.1:{taken_port}: Address already in"):
        up.check_port("127.0.0.1", taken_port)


def test_it_refuses_a_port_that_is_taken_on_another_address_of_the_same_machine(taken_port):
    with pytest.raises(up.CannotStartError, match=f"0.0.0.0:{taken_port}"):
        up.check_port("0.0.0.0", taken_port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 99999), ("203.0.113.7", 8000)])
def test_it_refuses_an_address_that_is_not_ours(host, port):
    with pytest.raises(up.CannotStartError, match=f"cannot listen on {host}:{port}: "):
        up.check_port(host, port)


def test_it_accepts_a_free_port():
    assert up.check_port("127.0.0.1", embedded.free_port()) is None


def test_it_refuses_a_disk_without_room(tmp_path, monkeypatch):
    monkeypatch.setattr(up, "ROOM_NEEDED", 2**62)
    with pytest.raises(up.CannotStartError, match="MB are free in DATA_DIR"):
        up.check_room(tmp_path)


def test_it_makes_the_data_directory_for_its_owner_alone(tmp_path):
    os.close(up.lock_data_dir(tmp_path / "new"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_it_refuses_a_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(up.CannotStartError, match="Not a directory"):
        up.lock_data_dir(tmp_path / "file" / "data")


def test_a_second_one_is_refused_and_told_of_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(up, "LOCK_PATIENCE", 0)
    lock = up.lock_data_dir(tmp_path)
    with pytest.raises(up.CannotStartError, match=f"process {os.getpid()}"):
        up.lock_data_dir(tmp_path)
    os.close(lock)


def test_the_lock_is_free_again_when_its_holder_has_ended(tmp_path):
    os.close(up.lock_data_dir(tmp_path))
    os.close(up.lock_data_dir(tmp_path))


def test_the_lock_is_not_inherited(tmp_path):
    lock = up.lock_data_dir(tmp_path)
    assert not os.get_inheritable(lock)
    os.close(lock)


def test_it_prints_each_error_of_the_checks_and_refuses(said, monkeypatch):
    messages = [
        checks.Error("PORT cannot be used.", hint="Name a number."),
        checks.Error("So is BIND."),
    ]
    monkeypatch.setattr(up.checks, "run_checks", lambda: messages)
    with pytest.raises(up.CannotStartError):
        up.check_system(said.append)
    assert said == ["error: PORT cannot be used. (Name a number.)", "error: So is BIND."]


def test_it_prints_a_warning_of_the_checks_and_goes_on(said, monkeypatch):
    monkeypatch.setattr(up.checks, "run_checks", lambda: [checks.Warning("SQLite is old.")])
    up.check_system(said.append)
    assert said == ["warning: SQLite is old."]


def test_a_taken_port_of_an_embedded_service_is_replaced_for_good(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "why_not_listen", lambda _host, _port: "taken")
    before = embedded.ports(tmp_path)
    assert embedded.replace_taken_ports(tmp_path, ["valkey"])
    after = embedded.ports(tmp_path)
    assert after["valkey"] != before["valkey"]
    assert after["local_model"] == before["local_model"]


def test_free_ports_of_the_embedded_services_stay(tmp_path):
    before = embedded.ports(tmp_path)
    assert not embedded.replace_taken_ports(tmp_path, before)
    assert embedded.ports(tmp_path) == before


def test_what_an_older_release_kept_stays_and_the_rest_is_added(tmp_path):
    older = {"valkey": 1, "local_model": 2}
    (tmp_path / "ports.json").write_text(json.dumps(older))
    completed = embedded.ports(tmp_path)
    assert completed == older | {"simulator": completed["simulator"]}
    assert embedded.ports(tmp_path) == completed


def test_of_many_that_complete_the_same_file_all_hold_the_same(tmp_path):
    (tmp_path / "secrets.json").write_text(json.dumps({"SECRET_KEY": "old"}))
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: embedded.installation_secrets(tmp_path), range(24)))
    assert all(each == read[0] for each in read)
    assert read[0]["SECRET_KEY"] == "old"


def test_an_unusable_data_directory_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match=r"DATA_DIR cannot be used: .*File exists"):
        embedded.installation_secrets(tmp_path / "file")


def test_damaged_secrets_are_never_replaced_by_fresh_ones(tmp_path):
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(SystemExit, match="restore it from a backup"):
        embedded.installation_secrets(tmp_path)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80/health/ready"),
        ("0.0.0.0", "http://127.0.0.1:80/health/ready"),
        ("::", "http://[::1]:80/health/ready"),
        ("192.0.2.1", "http://192.0.2.1:80/health/ready"),
    ],
)
def test_it_asks_for_readiness_where_the_web_server_listens(host, url):
    assert up.probe_url(host, 80) == url


class Answers:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def test_it_is_ready_only_when_the_web_says_so(said, monkeypatch):
    replies = iter([503, 301, 200])
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: Answers(next(replies)))
    readiness = up.Readiness(said.append)
    assert [readiness(), readiness(), readiness()] == [False, False, True]


def test_it_tells_why_it_is_not_ready_for_so_long(said, monkeypatch):
    monkeypatch.setattr(up, "TELL_EVERY", 0)
    monkeypatch.setattr(requests.Session, "get", lambda *_, **__: Answers(503))
    up.Readiness(said.append)()
    assert "health/ready answers 503, still trying" in said[0]


def test_it_announces_the_first_administrators_link_before_it_is_ready(said, monkeypatch, settings):
    settings.SITE_URL = "https://fuwuhao.example"
    monkeypatch.setattr(up, "first_administrator_link", lambda: "https://fuwuhao.example/first")
    up.announce(said.append)
    assert "https://fuwuhao.example/first" in said[0]
    assert said[1:] == ["ready: https://fuwuhao.example"]


def test_with_an_administrator_it_only_says_that_it_is_ready(said, monkeypatch, settings):
    settings.SITE_URL = "https://fuwuhao.example"
    monkeypatch.setattr(up, "first_administrator_link", lambda: None)
    up.announce(said.append)
    assert said == ["ready: https://fuwuhao.example"]


def test_valkey_keeps_everything_and_listens_on_a_private_socket(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "valkey_socket", lambda directory: directory / "valkey.sock")
    lines = parts.valkey_configuration(tmp_path).splitlines()
    assert {"port 0", f'unixsocket "{tmp_path}/valkey.sock"', "unixsocketperm 700"} <= {*lines}
    kept = {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", 'save ""'}
    assert kept <= {*lines}


def test_valkey_asks_for_a_password_where_the_path_is_too_long_for_a_socket(tmp_path):
    directory = tmp_path / ("long" * 25)
    lines = parts.valkey_configuration(directory).splitlines()
    password = embedded.installation_secrets(directory)["VALKEY_PASSWORD"]
    assert {"bind 127.0.0.1", f'requirepass "{password}"'} <= {*lines}


def test_a_path_with_spaces_and_quotes_stays_one_word_for_valkey(monkeypatch):
    monkeypatch.setattr(embedded, "valkey_socket", lambda directory: directory / "valkey.sock")
    lines = parts.valkey_configuration(Path('/a "b" c')).splitlines()
    assert 'dir "/a \\"b\\" c/valkey"' in lines


def test_the_valkey_configuration_is_for_its_owner_alone(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    path = Path(parts.valkey().command[1])
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_parts_start_in_the_order_in_which_they_need_each_other(settings):
    settings.LOCAL_MODEL = settings.SIMULATOR = True
    names = ["model", "simulator", "worker", "beat", "web"]
    assert [part.name for part in parts.others()] == names


def test_the_model_can_be_left_out(settings):
    settings.LOCAL_MODEL = False
    assert "model" not in [part.name for part in parts.others()]


def test_the_simulator_can_be_left_out(settings):
    settings.SIMULATOR = False
    assert "simulator" not in [part.name for part in parts.others()]


def test_there_is_no_simulator_of_our_own_where_another_is_named(settings):
    settings.SIMULATOR, settings.SIMULATOR_IS_EMBEDDED = True, False
    assert "simulator" not in [part.name for part in parts.others()]


def test_the_simulator_knows_its_key_by_the_digest_alone(settings):
    part = parts.simulator()
    digest = hashlib.sha256(settings.SIMULATOR_API_KEY.encode()).hexdigest()
    assert part.environment["SIMULATOR_KEY_SHA256"] == digest
    assert settings.SIMULATOR_API_KEY not in str(part)


def test_no_secret_is_on_a_command_line(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    commands = [*parts.valkey().command, *[word for p in parts.others() for word in p.command]]
    secrets = str(embedded.installation_secrets(tmp_path).values())
    assert not [word for word in commands if len(word) > 20 and word in secrets]


def test_the_worker_has_longer_to_stop_than_the_others():
    assert (parts.worker().grace, Part("other", []).grace) == (15, 7)


class Platform:
    """The real thing on the embedded stack, as a process of its own, up to its ready line."""

    def __init__(self, data_dir: Path) -> None:
        self.port = embedded.free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "FUWUHAO_DOTENV": "0",
        }
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=BASE_DIR,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        for line in self.process.stdout or []:
            self.lines.append(line.rstrip())
            if line.startswith("ready: "):
                break
        self.descendants = psutil.Process(self.process.pid).children(recursive=True)

    def left(self) -> list[psutil.Process]:
        living = psutil.wait_procs(self.descendants, timeout=5)[1]
        return [process for process in living if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    started = Platform(tmp_path / "data")
    yield started
    started.process.kill()
    started.process.communicate()
    assert started.left() == []


@pytest.mark.processes
@pytest.mark.alike
def test_the_whole_platform_is_ready_and_stops_in_order(platform):
    answer = requests.get(f"http://127.0.0.1:{platform.port}/health/ready", timeout=5)
    platform.process.terminate()
    assert platform.process.wait(45) == 0
    assert answer.status_code == 200
    assert platform.lines[-1] == f"ready: http://localhost:{platform.port}"
    assert platform.left() == []


@pytest.mark.processes
@pytest.mark.alike
def test_nothing_of_the_platform_outlives_its_killed_supervisor(platform):
    platform.process.kill()
    # The reaper, Valkey, model, simulator, worker, beat, web and its worker.
    assert len(platform.descendants) >= 8
    assert platform.left() == []
