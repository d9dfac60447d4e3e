"""The collector's numbers, in a process of its own: they hold for all of it."""

import subprocess
import sys

LOOK = """
import gc
from portal import garbage
loaded = [[] for _ in range(1000)]
loaded.append(loaded)
garbage.look_rarely()
del loaded
print(gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > 1000, gc.collect())
"""


def test_what_is_loaded_is_not_looked_at_any_more():
    looked = subprocess.run(
        [sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    assert looked.stdout.split() == ["True", "20000", "True", "0"]
