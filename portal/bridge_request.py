"""The bridge's way in: an ASGI request put in the words of WSGI.

What proxies say of the client is settled here, once, for everything behind.
"""

import functools
import sys
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import unquote_to_bytes

from django.utils.http import parse_header_parameters

from portal.bridge_body import Body, Scope

Network = IPv4Network | IPv6Network

PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2"}


def header_of(scope: Scope, name: bytes) -> str:
    """The header of this lower-case name, its repetitions joined; empty where there is none."""
    return b",".join(value for key, value in scope["headers"] if key == name).decode("latin-1")


def client_of(scope: Scope, trusted: list[Network]) -> str:
    """The address of the client of a request; empty where there is none, as on a Unix socket."""
    peer = _address(scope["client"][0]) if scope.get("client") else ""
    return client_address(peer, header_of(scope, b"x-forwarded-for"), trusted)


def client_address(peer: str, forwarded_for: str, trusted: list[Network]) -> str:
    """Who really asks: the peer, or what the proxies that we trust say of it.

    Each proxy appends the address that it saw, so the list is believed from its right end, and
    only as far as the one who wrote the entry is trusted.
    """
    believed = peer
    for entry in reversed(forwarded_for.split(",")):
        if not _is_trusted(believed, trusted):
            break
        named = _address(entry)
        if not named:
            break
        believed = named
    return believed


def _is_trusted(address: str, trusted: list[Network]) -> bool:
    return bool(trusted and address) and any(ip_address(address) in net for net in trusted)


@functools.lru_cache(maxsize=1024)  # it is asked three times a request, mostly the same
def _address(entry: str) -> str:
    """The address in one entry of X-Forwarded-For, without a port; empty if it names none."""
    entry = entry.strip()
    if entry.startswith("["):
        entry = entry[1:].partition("]")[0]
    elif entry.count(":") == 1:
        entry = entry.partition(":")[0]
    try:
        address = ip_address(entry)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def build_environ(scope: Scope, body: Body, trusted: list[Network]) -> dict[str, Any]:
    """The WSGI environ (PEP 3333) of an ASGI request: text is bytes read as latin-1.

    What proxies say is settled here, once: REMOTE_ADDR is the client, X-Forwarded-For is gone,
    and from a peer that is no trusted proxy no forwarding header gets through.
    """
    host, port = scope.get("server") or ("localhost", "80")
    peer = _address(scope["client"][0]) if scope.get("client") else ""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": PROTOCOLS.get(scope["http_version"], "HTTP/1.1"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body.stream(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_header_variables(scope["headers"], believe_proxy=_is_trusted(peer, trusted)),
    }
    if "CONTENT_TYPE" in environ:
        environ["CONTENT_TYPE"] = _in_utf8(environ["CONTENT_TYPE"])
    if body.size:
        environ["CONTENT_LENGTH"] = str(body.size)
    environ.pop("HTTP_X_FORWARDED_FOR", None)
    environ["REMOTE_ADDR"] = client_of(scope, trusted)
    return environ


def _in_utf8(content_type: str) -> str:
    """The type without its charset: everything here is UTF-8.

    Django would believe any codec that Python has: `zlib` breaks it, `punycode` takes a minute for
    a megabyte.
    """
    try:
        media_type, parameters = parse_header_parameters(content_type)
    except ValueError:
        return ""
    if "charset" not in parameters:
        return content_type
    kept = [f'{name}="{value}"' for name, value in parameters.items() if name != "charset"]
    return "; ".join([media_type, *kept])


def _header_variables(headers: list[tuple[bytes, bytes]], *, believe_proxy: bool) -> dict[str, str]:
    variables: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").upper(), raw_value.decode("latin-1")
        if "_" in name:
            continue  # X_Forwarded_For would become the same variable as X-Forwarded-For
        if not believe_proxy and (name == "FORWARDED" or name.startswith("X-FORWARDED-")):
            continue
        own = name in ("CONTENT-TYPE", "CONTENT-LENGTH")
        key = ("" if own else "HTTP_") + name.replace("-", "_")
        joint = "; " if name == "COOKIE" else ","
        variables[key] = f"{variables[key]}{joint}{value}" if key in variables else value
    return variables
