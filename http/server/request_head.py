"""The rules of RFC 9112 for the head of a request that the parser does not hold: version, framing, host and target.

A faulty version or framing ends the connection: where the request ends is uncertain. With any other fault the request
is answered, and the connection goes on.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address

from trackd.http.body import Headers
from trackd.http.server.refused_requests import no_tunnel, not_http, unknown_transfer_coding, unsupported_version

PORT = rb"(?::0*(?:\d{0,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?"
HOST = re.compile(rb"(?:\[(?P<literal>[0-9A-Za-z:.%_~!$&'()*+,;=-]+)\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)" + PORT)
LATER_LITERAL = re.compile(rb"[vV][0-9a-fA-F]+\.[0-9A-Za-z._~!$&'()*+,;=:-]+")  # of an address after IPv6
URL = re.compile(rb"(?i:https?)://(?P<host>[^/?#:][^/?#]*)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?")
MAX_HEADERS = 256
MAX_HOST_BYTES = 512  # twice the length of the longest name
NO_HOST = b"/"
CONNECT, SERVER_WIDE = b"CONNECT", b"*"

RawHeaders = Iterable[tuple[bytes, bytes]]


def is_usual(version: str, target: bytes, headers: Headers, count: int) -> bool:
    """Whether a head has nothing for the functions below. `count` is the number of its headers, repeated ones too."""
    return (
        version == "1.1"
        and target.startswith(b"/")
        and len(headers) == count
        and b"transfer-encoding" not in headers
        and b"upgrade" not in headers
        and is_host(headers.get(b"host", NO_HOST))
    )


def is_host(value: bytes) -> bool:
    """Whether it is the name or the address of a host, perhaps with a port."""
    return len(value) <= MAX_HOST_BYTES and _is_host(value)


@lru_cache(maxsize=1_024)
def _is_host(value: bytes) -> bool:
    found = HOST.fullmatch(value)
    return found is not None and (found["literal"] is None or _is_literal(found["literal"]))


def _is_literal(value: bytes) -> bool:
    """Whether it is an address in brackets, an IPv6 one with or without a zone."""
    if LATER_LITERAL.fullmatch(value):
        return True
    try:
        IPv6Address(value.decode("ascii"))
    except ValueError:
        return False
    return True


def check_framing(version: str, headers: RawHeaders) -> None:
    """Raises HttpError when it is uncertain where the request ends. A later minor version is read as 1.1."""
    if not version.startswith("1."):
        raise unsupported_version(version)
    values = [value for name, value in headers if name == b"transfer-encoding"]
    if not values:
        return
    codings = [coding for value in values for coding in value.lower().replace(b" ", b"").split(b",") if coding]
    if version == "1.0" or codings[-1:] != [b"chunked"]:
        raise not_http("Transfer-Encoding has to end with `chunked`, in HTTP/1.1: send `chunked` or Content-Length.")
    if len(codings) > 1:
        raise unknown_transfer_coding()


def check_host(version: str, headers: RawHeaders) -> None:
    """Raises HttpError unless the request has one `Host`, which HTTP/1.0 does not require."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        raise not_http("The request has more than one Host header: send one.")
    if not hosts and version != "1.0":
        raise not_http("The request has no Host header: send one, with the name or the address of the server.")
    if hosts and not is_host(hosts[0]):
        raise not_http("The Host header is not the name or the address of a host with an optional port.")


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Path and query of a target, and the host and port of one that is a URL. Raises HttpError.

    The target of `OPTIONS *` remains as it is. A fragment is dropped.
    """
    if method == CONNECT:
        raise no_tunnel()
    host = None
    if not target.startswith(b"/") and (method, target) != (b"OPTIONS", SERVER_WIDE):
        url = URL.fullmatch(target)
        if url is None or not is_host(url["host"]):
            raise not_http(
                "The target is neither a path nor a URL of http or https with a valid host and port: send a path."
            )
        host, target = url["host"], (url["path"] or b"/") + (url["query"] or b"")
    return target, host
