"""The sockets on which this process takes connections, and how it stops taking them without a loss.

A server that stops closes its listening socket, and whoever is connected but not yet read from is
cut off: nothing that it could still say. So the kernel is told first to leave new attempts
unanswered. Those who are in already are served; an attempt that got no answer is made again by the
caller's own kernel a second later, and then meets another process or is refused. Linux only;
elsewhere nothing happens here.
"""

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_SO_ATTACH_FILTER = 26  # <asm-generic/socket.h>; Python's socket module does not name it
_DESCRIPTORS = Path("/proc/self/fd")
_FLAGS_AT = 13  # the byte of a TCP header
_SYN, _ACK = 0x02, 0x10
# Classic BPF: let every packet pass but the first of a connection. Operation, where to jump if
# true and if false, operand; see the kernel's Documentation/networking/filter.rst.
_NO_NEWCOMERS = [
    (0x30, 0, 0, _FLAGS_AT),  # load the byte
    (0x54, 0, 0, _SYN | _ACK),  # and
    (0x15, 0, 1, _SYN),  # equal?
    (0x06, 0, 0, 0),  # return: drop
    (0x06, 0, 0, 0xFFFFFFFF),  # return: keep all of it
]


def listeners() -> Iterator[socket.socket]:
    """Each TCP socket of this process that listens. It remains open; good for one step each."""
    if not _DESCRIPTORS.is_dir():
        return
    for name in os.listdir(_DESCRIPTORS):
        with contextlib.suppress(OSError):  # no socket, or closed meanwhile
            found = socket.socket(fileno=int(name))
            try:
                if _takes_connections(found):
                    yield found
            finally:
                found.detach()


def leave_newcomers_out(listener: socket.socket) -> None:
    """From now on its kernel answers no new attempt to connect. Raises OSError."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *do) for do in _NO_NEWCOMERS))
    program = struct.pack("HL", len(_NO_NEWCOMERS), ctypes.addressof(code))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _takes_connections(found: socket.socket) -> bool:
    of_internet = found.family in (socket.AF_INET, socket.AF_INET6)
    return of_internet and bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
