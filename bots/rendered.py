"""The HTML of answers that were rendered a moment ago.

A page shows fifty answers, and is looked at again each time its reader comes back to it. What a
text looks like depends on nothing but the text, so each process renders it once and keeps it. What
is written to be slow to render (`![` ten thousand times) shall hold no thread: a page has a budget.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from django.utils.safestring import SafeString

from bots import markdown

PAGE_SECONDS = 1.5
LENGTH_AT_MOST = 4_000_000  # characters of HTML in all, some megabytes in each process


class Budget:
    """How long the answers of one page may take to render, in seconds of the thread's own time."""

    def __init__(self, seconds: float = PAGE_SECONDS) -> None:
        self._ends = time.thread_time() + seconds

    def is_used_up(self) -> bool:
        return time.thread_time() > self._ends


class Rendered:
    """What was used last stays; together no longer than `length_at_most`."""

    def __init__(self, render: Callable[[str], SafeString], length_at_most: int) -> None:
        self.render = render
        self.length_at_most = length_at_most
        self.length = 0
        self._kept: OrderedDict[bytes, SafeString] = OrderedDict()
        self._lock = threading.Lock()

    def html_of(self, text: str, budget: "Budget | None" = None) -> SafeString:
        """Plain, and not kept, where the page's budget is used up by others of its answers."""
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
        if budget and budget.is_used_up():
            return markdown.plain(text)
        html = self.render(text)  # outside the lock: two threads may do it twice, none waits
        with self._lock:
            self._keep(digest, html)
        return html

    def _keep(self, digest: bytes, html: SafeString) -> None:
        if digest in self._kept or len(html) > self.length_at_most:
            return
        self._kept[digest] = html
        self.length += len(html)
        while self.length > self.length_at_most:
            _, oldest = self._kept.popitem(last=False)
            self.length -= len(oldest)


answers = Rendered(markdown.to_html, LENGTH_AT_MOST)
