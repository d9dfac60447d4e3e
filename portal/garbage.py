"""Python's garbage collector, told what a process that serves is like.

What it has loaded by the time it begins stays for good, and a request leaves thousands of objects
behind that are gone without the collector: so it looks at the first no more, and more rarely at
the rest. Under load that is one part in twelve of what an answer costs.
"""

import gc

OBJECTS_BETWEEN_LOOKS = 20_000  # more of them made than gone; Python's own number is 700


def look_rarely() -> None:
    """Call it once, when the process has loaded what it needs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, 20, 50)
