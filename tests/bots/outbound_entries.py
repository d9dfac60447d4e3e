"""What an entry of OUTBOUND_ALLOW opens, and the nearest that it does not.

`{port}` and `{other}` are ports that OUTBOUND_PORTS lists and that lead to somebody who listens.
"""

from dataclasses import dataclass

from tests.bots.outbound_corpus import LOOPBACK_NAMES


@dataclass(frozen=True)
class Entry:
    """An entry, what it opens, and the nearest that it does not.

    `closed` is refused before it is stored, `closed_later` as soon as its name has an address.
    """

    text: str
    opened: str
    closed: str
    closed_later: str = ""


CORP_NAMES: dict[str, list[list[str]]] = LOOPBACK_NAMES | {
    "corp": [["127.0.0.1"]],
    "model.corp": [["127.0.0.1"]],
    "sub.model.corp": [["127.0.0.1"]],
    "notmodel.corp": [["127.0.0.1"]],
    "model.corp.evil.example": [["127.0.0.1"]],
    "xn--fiq228c.corp": [["127.0.0.1"]],
    "next.corp": [["127.0.0.2"]],
    "in-range.corp": [["10.1.2.3"]],
    "out-of-range.corp": [["10.2.0.0"]],
    "half-in-range.corp": [["10.1.2.3", "10.2.0.0"]],
    "mapped-in-range.corp": [["::ffff:10.1.2.3"]],
    "ipv6.corp": [["fd00:1::1"]],
    "next-ipv6.corp": [["fd00:1::2"]],
    "public.corp": [["8.8.8.8"]],
}

ENTRIES = [
    Entry(
        "model.corp",
        opened="""http://model.corp:{port} http://model.corp:{other} https://model.corp:{port}
        http://MODEL.Corp:{port} http://model.corp""",
        closed="""http://notmodel.corp:{port} http://sub.model.corp:{port} http://corp:{port}
        http://model.corp.evil.example:{port} http://127.0.0.1:{port} https://127.0.0.1:{port}
        http://model.corp.:{port} http://me@model.corp:{port} ftp://model.corp:{port}
        http://model.corp:0 http://model%2ecorp:{port} http://localhost:{port}""",
        closed_later="""https://notmodel.corp:{port} https://sub.model.corp:{port}
        https://corp:{port} https://model.corp.evil.example:{port}""",
    ),
    Entry(
        "Model.Corp:{port}",
        opened="http://model.corp:{port} https://model.corp:{port}",
        closed="http://model.corp:{other} http://model.corp http://sub.model.corp:{port}",
        closed_later="https://model.corp:{other} https://sub.model.corp:{port}",
    ),
    Entry(
        "中文.corp",
        opened="http://中文.corp:{port} http://xn--fiq228c.corp:{port} http://中文。corp:{port}",
        closed="http://corp:{port} http://model.corp:{port}",
        closed_later="https://model.corp:{port}",
    ),
    Entry(
        "localhost",
        opened="http://localhost:{port} https://LOCALHOST:{port}",
        closed="http://127.0.0.1:{port} http://[::1]:{port} http://api.localhost:{port}",
        closed_later="https://model.corp:{port}",
    ),
    Entry(
        "127.0.0.1",
        opened="""http://127.0.0.1:{port} http://127.0.0.1:{other} https://127.0.0.1:{port}
        http://[::ffff:127.0.0.1]:{port} http://[::ffff:7f00:1]:{port} http://model.corp:{port}
        http://localhost:{port} http://127。0。0。1:{port}""",
        closed="""http://127.0.0.2:{port} https://127.0.0.2:{port} http://127.0.0.0:{port}
        http://[::1]:{port} http://[::127.0.0.1]:{port} http://[64:ff9b::127.0.0.1]:{port}
        http://[2002:7f00:1::]:{port} http://[::ffff:127.0.0.2]:{port} http://0.0.0.0:{port}
        http://2130706433:{port} http://127.1:{port} http://0x7f.1:{port}
        http://[::ffff:127.0.0.1%lo]:{port}""",
        closed_later="http://next.corp:{port} https://next.corp:{port}",
    ),
    Entry(
        "127.0.0.1:{port}",
        opened="http://127.0.0.1:{port} http://[::ffff:127.0.0.1]:{port} http://model.corp:{port}",
        closed="""http://127.0.0.1:{other} https://127.0.0.1:{other} http://127.0.0.2:{port}
        http://[::ffff:127.0.0.1]:{other} http://model.corp:{other} http://127.0.0.1""",
        closed_later="https://model.corp:{other} http://next.corp:{port}",
    ),
    Entry(
        "10.1.0.0/16",
        opened="""http://10.1.0.0:{port} http://10.1.255.255:{other} https://10.1.2.3:{port}
        http://[::ffff:10.1.2.3]:{port} http://in-range.corp:{port}
        http://mapped-in-range.corp:{port}""",
        closed="""http://10.0.255.255:{port} http://10.2.0.0:{port} https://10.2.0.0:{port}
        http://[::ffff:10.2.0.0]:{port} http://[64:ff9b::10.1.2.3]:{port} http://[::10.1.2.3]:{port}
        http://[2002:a01:203::]:{port} http://8.8.8.8:{port} http://10.66051:{port}""",
        closed_later="""http://out-of-range.corp:{port} https://out-of-range.corp:{port}
        http://half-in-range.corp:{port} https://half-in-range.corp:{port}
        http://public.corp:{port}""",
    ),
    Entry(
        "10.1.2.3/32",
        opened="http://10.1.2.3:{port}",
        closed="http://10.1.2.2:{port} http://10.1.2.4:{port}",
    ),
    Entry(
        "::1",
        opened="http://[::1]:{port} http://[::1]:{other} http://[0:0:0:0:0:0:0:1]:{port}",
        closed="""http://[::]:{port} http://[::2]:{port} https://[::2]:{port}
        http://127.0.0.1:{port} http://[::ffff:127.0.0.1]:{port} http://[::1%lo]:{port}
        http://localhost:{port}""",
    ),
    Entry(
        "[fd00:1::1]",
        opened="http://[fd00:1::1]:{port} http://[fd00:1::1]:{other} http://ipv6.corp:{port}",
        closed="http://[fd00:1::]:{port} http://[fd00:1::2]:{port} http://[fd00:1::1%lo]:{port}",
        closed_later="http://next-ipv6.corp:{port}",
    ),
    Entry(
        "[fd00:1::1]:{port}",
        opened="http://[fd00:1::1]:{port} http://[FD00:1:0::1]:{port} http://ipv6.corp:{port}",
        closed="http://[fd00:1::1]:{other} http://[fd00:1::2]:{port} http://ipv6.corp:{other}",
        closed_later="https://ipv6.corp:{other} http://next-ipv6.corp:{port}",
    ),
    Entry(
        "fd00:1::/64",
        opened="http://[fd00:1::]:{port} http://[fd00:1::ffff:ffff:ffff:ffff]:{port}",
        closed="""http://[fd00:1:0:1::]:{port} http://[fd00:0:ffff:ffff:ffff::]:{port}
        https://[fd00:1:0:1::]:{port} http://127.0.0.1:{port}""",
        closed_later="http://model.corp:{port}",
    ),
    Entry(
        "0.0.0.0/0",
        opened="http://127.0.0.1:{port} http://8.8.8.8:{port} http://[::ffff:10.0.0.1]:{port}",
        closed="http://[::1]:{port} http://[64:ff9b::8.8.8.8]:{port} http://2130706433:{port}",
        closed_later="http://ipv6.corp:{port}",
    ),
    Entry(
        "::/0",
        opened="http://[::1]:{port} http://[fd00:1::1]:{port} http://[2606:4700::1111]:{port}",
        closed="http://127.0.0.1:{port} http://[::ffff:127.0.0.1]:{port} https://10.0.0.1:{port}",
        closed_later="http://model.corp:{port} http://mapped-in-range.corp:{port}",
    ),
    Entry(
        "8.8.8.8:{other}",
        opened="http://8.8.8.8:{other} https://8.8.8.8:{other} https://8.8.8.8:{port}",
        closed="http://8.8.8.8:{port} http://8.8.4.4:{other} http://8.8.8.8",
        closed_later="http://model.corp:{other}",
    ),
]

# None of the known forms: reported at the start, and opening nothing.
_MALFORMED = """
http://ollama ollama:99999 ollama:0 10.0.0.0/33 10.0.0.1/8 *.corp ::1:x 10.0.0.0/8:80 [ollama]:80
ollama/v1 me@ollama 2130706433 0x7f.1 ollama# * .corp corp. 127.1 127.0.0.1. 010.0.0.1 0.0.0.0/0:80
::ffff:127.0.0.1 ::ffff:10.0.0.0/104 [::ffff:127.0.0.1]:80 fe80::1%lo [fe80::1%lo]:80 [::1]/128 [::1
ollama: :80 10.0.0.1-10.0.0.9 127.0.0.1,::1 １２７.０.０.１
"""
MALFORMED = _MALFORMED.split()
