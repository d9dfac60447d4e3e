"""The supervisor's end is everybody's end: kill -9 leaves nothing, Ctrl-C ends in order."""

import os
import signal

import psutil
import pytest

from tests.platform import running_platform, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.alike]


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        process
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def test_kill_9_leaves_no_process_within_five_seconds(tmp_path):
    with running_platform(tmp_path) as platform:
        children = platform.processes()
        os.kill(platform.process.pid, signal.SIGKILL)
        wait_for(lambda: not alive(children), 5, "the end of all children")
    assert len(children) >= 6


def test_ctrl_c_ends_everything_with_exit_code_0(tmp_path):
    with running_platform(tmp_path) as platform:
        children = platform.processes()
        exit_code = platform.stop()
    assert (exit_code, alive(children)) == (0, [])
