"""Addresses and spellings that no call may reach, and names that lead to them.

`{port}` is a port that OUTBOUND_PORTS lists and somebody listens on, so that neither the rule for
ports nor a closed door is what keeps a call from arriving.
"""

from tests.bots.dialling import PUBLIC

_CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.96.0.96 100.100.100.200 100.127.255.255
127.0.0.1 127.0.0.2 127.255.255.254 169.254.0.1 169.254.0.23 169.254.169.254 169.254.170.2
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1
192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.7
203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
::ffff:168.63.129.16 ::ffff:0.0.0.0 ::ffff:100.100.100.200
::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8 64:ff9b::127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254
64:ff9b::168.63.129.16 64:ff9b::0.0.0.0 64:ff9b::a00:1 64:ff9b:1::1 64:ff9b:1::8.8.8.8
64:ff9b:1:fffe::127.0.0.1 64:ff9b:2::127.0.0.1 100::1 100:0:0:1::1
2001::1 2001:0:4136:e378::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:a9fe:a9fe:: 2002:a00:1::1 2002:808:808::
2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1 2606:4700::5efe:8.8.8.8
fe80::5efe:127.0.0.1 2620:4f:8000::1 3ffe::1 3fff::1 4000::1 5f00::1
fc00::1 fd00:ec2::254 fd20:ce::254 fe80::1 fe80::a9fe:a9fe feb0::1 fec0::1 feff::1
ff02::1 ff05::2 ff0e::1
"""
CLOSED = _CLOSED.split()

_OPEN = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1 169.253.1.1
172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.255 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
2606:4700::1111 2a00:1450:4001::200e 2001:4860:4860::8888 2606:4700::5eff:808:808
"""
OPEN = _OPEN.split()


def literal(address: str) -> str:
    """The URL of an address in its usual form."""
    return (
        f"https://[{address}]:{{port}}/v1" if ":" in address else f"https://{address}:{{port}}/v1"
    )


# Each would arrive if the guard were not there, as the counter-test shows.
SPELLINGS = [
    # inet_aton: decimal, octal, hexadecimal, short, mixed, padded
    "https://2130706433:{port}",
    "https://017700000001:{port}",
    "https://0x7f000001:{port}",
    "https://0X7F000001:{port}",
    "https://0x7f.1:{port}",
    "https://0x7f.0.0.1:{port}",
    "https://0x7f.0x0.0x0.0x1:{port}",
    "https://127.1:{port}",
    "https://127.0.1:{port}",
    "https://127.65535:{port}",
    "https://127.0.0.0x1:{port}",
    "https://127.0x1:{port}",
    "https://0x7f.000.0x0.01:{port}",
    "https://0:{port}",
    "https://0x0:{port}",
    "https://00:{port}",
    "https://0.0:{port}",
    "https://134744072:{port}",
    "https://2852039166:{port}/latest/meta-data/",
    "https://0xa9fea9fe:{port}/latest/meta-data/",
    "https://169.254.43518:{port}/latest/meta-data/",
    "https://167772161:{port}",
    "https://10.1:{port}",
    "https://192.168.257:{port}",
    "https://3232235777:{port}",
    # dots that IDNA takes for dots
    "https://127。0。0。1:{port}",
    "https://127．0．0．1:{port}",
    "https://127｡0｡0｡1:{port}",
    "https://127.0。0.1:{port}",
    "https://0x7f。1:{port}",
    "https://169。254。169。254:{port}",
    "https://localhost。:{port}",
    "https://api。localhost:{port}",
    # IPv6 in its many forms
    "https://[0:0:0:0:0:0:0:1]:{port}",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}",
    "https://[0::1]:{port}",
    "https://[::0:1]:{port}",
    "https://[::0.0.0.1]:{port}",
    "https://[::ffff:7f00:1]:{port}",
    "https://[::FFFF:7F00:0001]:{port}",
    "https://[0:0:0:0:0:ffff:127.0.0.1]:{port}",
    "https://[::ffff:a9fe:a9fe]:{port}",
    "https://[::ffff:a00:1]:{port}",
    "https://[::7f00:1]:{port}",
    "https://[64:ff9b:0:0:0:0:7f00:1]:{port}",
    "https://[64:FF9B::7F00:1]:{port}",
    "https://[FE80::1]:{port}",
    "https://[FD00:EC2::254]:{port}/latest/meta-data/",
    "https://[fe80::1%lo]:{port}",
    "https://[::1%1]:{port}",
    "https://[::1]:{port}/@good.example",
    # who is whose password
    "https://good.example@127.0.0.1:{port}",
    "https://user:password@127.0.0.1:{port}",
    "https://good.example:443@127.0.0.1:{port}",
    "https://good.example@evil@127.0.0.1:{port}",
    "https://@127.0.0.1:{port}",
    "https://:@127.0.0.1:{port}",
    "https://good.example@[::1]:{port}",
    "https://good.example\\@127.0.0.1:{port}",
    "https://good.example%2f@127.0.0.1:{port}",
    "https://good.example%00@127.0.0.1:{port}",
    "https://127.0.0.1:{port}#@good.example",
    "https://127.0.0.1:{port}/#@good.example",
    "https://127.0.0.1:{port}?@good.example",
    "https://127.0.0.1:{port}/@good.example",
    "https://127.0.0.1:{port}/\\good.example",
    # names that are loopback whoever is asked
    "https://localhost:{port}",
    "https://LOCALHOST:{port}",
    "https://LocalHost:{port}",
    "https://localhost.:{port}",
    "https://api.localhost:{port}",
    "https://a.b.localhost:{port}",
    "https://127.0.0.1.localhost:{port}",
    "https://xn--fiq228c.localhost:{port}",
    "https://中文.localhost:{port}",
    "https://loopback.example.:{port}",
    # schemes and ports
    "http://127.0.0.1:{port}",
    "HTTP://127.0.0.1:{port}",
    "HTTPS://127.0.0.1:{port}",
    "hTtPs://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://[::1]:{port}",
    "http://2130706433:{port}",
    "http://8.8.8.8:{port}",
    "http://loopback.example:{port}",
    "https://127.0.0.1:0{port}",
    "https://127.0.0.1:+{port}",
    "https://[::1]{port}",
    "https://127.0.0.1",
    "https://127.0.0.1:",
    "https://127.0.0.1:0",
    "http://127.0.0.1:0",
    "https://8.8.8.8:22",
    "https://8.8.8.8:80",
    "https://8.8.8.8:6379",
    # paths that walk about
    "https://127.0.0.1:{port}/../../v1",
    "https://127.0.0.1:{port}//good.example/v1",
    "https://127.0.0.1:{port}/%0d%0aHost:%20good.example",
    "https://169.254.169.254:{port}/latest/meta-data/iam/security-credentials/",
    "https://100.100.100.200:{port}/latest/meta-data/",
    "https://168.63.129.16:{port}/machine?comp=goalstate",
]

# These lead nowhere even without the guard: no parser or resolver here reads an address in them.
# Others do.
DEAD_ENDS = [
    "",
    "127.0.0.1:{port}",
    "//127.0.0.1:{port}",
    "/v1",
    "https:127.0.0.1:{port}",
    "https:/127.0.0.1:{port}",
    "https:///127.0.0.1:{port}",
    "https:////127.0.0.1:{port}",
    "https:\\\\127.0.0.1:{port}",
    "https:/\\127.0.0.1:{port}",
    "https://",
    "https://:{port}",
    "://127.0.0.1:{port}",
    "ftp://127.0.0.1:{port}",
    "file:///etc/passwd",
    "file://127.0.0.1:{port}/etc/passwd",
    "gopher://127.0.0.1:{port}/_INFO",
    "dict://127.0.0.1:{port}/INFO",
    "ldap://127.0.0.1:{port}",
    "ws://127.0.0.1:{port}",
    "wss://127.0.0.1:{port}",
    "jar:http://127.0.0.1:{port}!/",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "unix:///run/valkey.sock",
    "http+unix://%2frun%2fvalkey.sock/",
    "httpss://127.0.0.1:{port}",
    " https://127.0.0.1:{port}",
    "https://127.0.0.1:{port}/\n",
    "https://127.0.0.1:{port}/\r\nHost: good.example",
    "https://127.0.0.1\t:{port}",
    "https://127.0.0.1 :{port}",
    "https://127.0.0.1:{port}\0.good.example",
    "https:// 127.0.0.1:{port}",
    "ht\ntps://127.0.0.1:{port}",
    "https://127.0.0.1\u3000:{port}",
    "https://127.0.0.1\u200b:{port}",
    "https://\u202e127.0.0.1:{port}",
    "https://127.0.0.1:{port} @good.example",
    "https://127.0.0.1:4 43",
    "https://127.0.0.1:{port}:{port}",
    "https://127.0.0.1:-1",
    "https://127.0.0.1:65536",
    "https://127.0.0.1:4294967296",
    "https://127.0.0.1:0x1bb",
    "https://127.0.0.1:https",
    "https://127.0.0.1.:{port}",
    "https://127.0.0.1..:{port}",
    "https://127..0.0.1:{port}",
    "https://.127.0.0.1:{port}",
    "https://127.0.0.1.1:{port}",
    "https://256.256.256.256:{port}",
    "https://127.0.0.256:{port}",
    "https://00000127.0.0.1:{port}",
    "https://0177.0.0.1:{port}",
    "https://0177.0.0.01:{port}",
    "https://127.000.000.001:{port}",
    "https://4294967296:{port}",
    "https://127.0.0.0x100:{port}",
    "https://１２７.０.０.１:{port}",
    "https://①②⑦.0.0.1:{port}",
    "https://٣.١.١.١:{port}",
    "https://ｌｏｃａｌｈｏｓｔ:{port}",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}",
    "https://loc\u00adalhost:{port}",
    "https://local\u200dhost:{port}",
    "https://\udc80:{port}",
    "https://127%2e0%2e0%2e1:{port}",
    "https://%31%32%37.0.0.1:{port}",
    "https://127.0.0.1%00.good.example:{port}",
    "https://localhost%2egood.example:{port}",
    "https://%6c%6f%63%61%6c%68%6f%73%74:{port}",
    "https://good.example%23@127.0.0.1%2f:{port}",
    "https://127.0.0.1\\.good.example:{port}",
    "https://127.0.0.1;good.example:{port}",
    "https://127.0.0.1,good.example:{port}",
    "https://{{127.0.0.1}}:{port}",
    "https://0x:{port}",
    "https://[::1%lo]:{port}",
    "https://[::ffff:127.0.0.1%lo]:{port}",
    "https://[2606:4700::1111%lo]:{port}",
    "https://localhoſt:{port}",
    "https://*.localhost:{port}",
    "https://..:{port}",
    "https://[::1:{port}",
    "https://::1:{port}",
    "https://[::1]]:{port}",
    "https://[[::1]]:{port}",
    "https://[127.0.0.1]:{port}",
    "https://[localhost]:{port}",
    "https://[::1].good.example:{port}",
    "https://[::ffff:127.0.0.256]:{port}",
    "https://[::ffff:127。0。0。1]:{port}",
    "https://[::1%25lo%25]:{port}",
    "https://[fe80::1%25lo]:{port}",
    "https://[v1.::1]:{port}",
    "https://[]:{port}",
]

# What a stranger's name server may say: the answers in turn. Every other call is refused, the
# first one where its answer is public is dialled and found dead.
LYING_NAMES: dict[str, list[list[str]]] = {
    "metadata.google.internal": [["169.254.169.254"]],
    "instance-data.ec2.internal": [["fd00:ec2::254"]],
    "public-first.example": [[PUBLIC, "127.0.0.1"]],
    "private-first.example": [["127.0.0.1", PUBLIC]],
    "private-last-of-many.example": [["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::1"]],
    "mapped-among-public.example": [[PUBLIC, "::ffff:10.0.0.1"]],
    "nat64-among-public.example": [[PUBLIC, "64:ff9b::a9fe:a9fe"]],
    "scoped.example": [["fe80::1%lo"]],
    "scoped-loopback.example": [["::1%lo"]],
    "scoped-mapped.example": [["::ffff:127.0.0.1%lo"]],
    "scoped-public.example": [["2606:4700::1111%lo"]],
    "rebinds.example": [[PUBLIC], ["127.0.0.1"]],
    "rebinds-to-ipv6.example": [[PUBLIC], ["::1"]],
    "rebinds-to-mapped.example": [[PUBLIC], ["::ffff:127.0.0.1"]],
    "rebinds-to-both.example": [[PUBLIC], [PUBLIC, "169.254.169.254"]],
    "rebinds-and-back.example": [["127.0.0.1"], [PUBLIC], ["127.0.0.1"]],
    "xn--fiq228c.example": [["192.168.1.1"]],
    "1.example": [["127.0.0.1"]],
    "0x7f.example": [["127.0.0.1"]],
    "127.0.0.1.nip.io": [["127.0.0.1"]],
    "my_host.example": [["10.0.0.1"]],
    "redis": [["172.18.0.2"]],
}

# What the spellings above ask the resolver for.
LOOPBACK_NAMES: dict[str, list[list[str]]] = {
    name: [["127.0.0.1"]]
    for name in (
        "localhost",
        "api.localhost",
        "a.b.localhost",
        "127.0.0.1.localhost",
        "xn--fiq228c.localhost",
        "loopback.example",
    )
}
