"""Origins of web pages: their canonical form, as browsers send it in the header `Origin`, and lists of allowed ones.

The canonical form is the serialization of the URL standard: `https://xn--bcher-kva.example`, `http://[::1]:3000`,
`null`. A list may also have wildcards: `https://*.shop.example` stands for all subdomains, at any depth.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MAX_LENGTH, MAX_HOST, MAX_LABEL = 1_000, 253, 63
NULL, FILE, WILDCARD = "null", "file://", "*."
DEFAULT_PORTS = {"http": "80", "https": "443"}
NEVER_SENT = frozenset({"ws", "wss", "ftp"})  # schemes of requests, not of pages
PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[^\]]*\]|[^\[\]:]*)(?::([0-9]*))?", re.IGNORECASE)
BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")
NOT_IN_HOSTS = re.compile(r"[#/:<>?@\[\\\]^|*]")  # `%` besides, in the hosts of http and https
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def canonical_origin(text: str) -> str:
    """The canonical form of an origin. Raises ValueError, with a sentence, for a text that no browser can send."""
    origin = text.strip()
    if origin.endswith("/") and not origin.endswith("://"):
        origin = origin[:-1]
    if origin.lower() == NULL:
        return NULL
    try:
        _check_form(origin)
        return _canonical(origin)
    except ValueError as error:
        shown = repr(text if len(text) <= MAX_LENGTH else f"{text[:40]}...")
        raise ValueError(
            f"{shown} is not an origin: {error}. Write it as https://shop.example, without a path."
        ) from None


def _check_form(origin: str) -> None:
    """Raise ValueError, with the reason, for a text that has less or more than an origin."""
    if not origin:
        raise ValueError("it is empty")
    if len(origin) > MAX_LENGTH:
        raise ValueError(f"it has more than {MAX_LENGTH} characters")
    if origin == "*":
        raise ValueError("only a source without origins allows any")
    if BLANKS.search(origin):
        raise ValueError("it has blanks or control characters")
    _, has_scheme, rest = origin.partition("://")
    if not has_scheme:
        raise ValueError("it has no scheme such as `https://`")
    for mark, part in (("?", "a query"), ("#", "a fragment"), ("@", "a user name"), ("/", "a path")):
        if mark in rest:
            raise ValueError(f"it has {part}")


def _canonical(origin: str) -> str:
    parts = PARTS.fullmatch(origin)
    if parts is None:
        raise ValueError("it does not consist of a scheme, a host and perhaps a port")
    scheme, host, port = parts[1].lower(), parts[2], parts[3] or ""
    if scheme in NEVER_SENT:
        raise ValueError(f"pages have another scheme than {scheme}")
    if scheme == "file":
        if host or port:
            raise ValueError("pages from files send `null` or `file://`")
        return FILE
    if port:
        port = str(int(port))
        if not 1 <= int(port) <= 65_535:
            raise ValueError(f"there is no port {port}")
    if host.startswith("["):
        host = f"[{_ipv6(host[1:-1])}]"
    elif scheme in DEFAULT_PORTS:
        host = _web_host(host)
    else:
        host = _opaque_host(host)
    return f"{scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else "")


def _web_host(host: str) -> str:
    """The host of an http or https origin: a name in punycode, an IPv4 address, or a wildcard and a name."""
    wildcard = WILDCARD if host.startswith(WILDCARD) else ""
    name = _ascii(host.removeprefix(wildcard)).removesuffix(".")  # with and without the last dot it is the same host
    labels = name.split(".")
    if NUMBER.fullmatch(labels[-1]):
        if wildcard:
            raise ValueError("an address has no subdomains")
        return _ipv4(name)
    if "*" in name:
        raise ValueError("a wildcard stands before the first dot, alone, as in https://*.shop.example")
    if NOT_IN_HOSTS.search(name) or "%" in name:
        raise ValueError("its host has a character that no host has")
    if not all(labels):
        raise ValueError("its host has an empty part")
    if len(name) > MAX_HOST or max(map(len, labels)) > MAX_LABEL:
        raise ValueError(f"its host has more than {MAX_HOST} characters, or a part of it more than {MAX_LABEL}")
    return wildcard + name


def _opaque_host(host: str) -> str:
    """The host of another scheme, such as the id of a browser extension. It may be empty; case does not count."""
    if "*" in host:
        raise ValueError("a wildcard needs http or https")
    if NOT_IN_HOSTS.search(host):
        raise ValueError("its host has a character that no host has")
    return "".join(c.lower() if c.isascii() else "".join(f"%{byte:02x}" for byte in c.encode()) for c in host)


def _ascii(name: str) -> str:
    """The name as browsers write it: mapped as in UTS 46, then in punycode. IDNA 2008 alone would refuse emoji."""
    if name.isascii() and "xn--" not in name.lower():
        return name.lower()
    import idna  # not at the top: its tables take memory that few lists of origins need

    labels = idna.uts46_remap(name, std3_rules=False).split(".")
    for label in labels:
        if len(label) > MAX_LABEL:  # before it is encoded: that takes the square of its length
            raise ValueError(f"a part of its host has more than {MAX_LABEL} characters")
        if label.startswith("xn--") and not _is_punycode(label):
            raise ValueError(f"`{label}` in its host is not punycode")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)


def _is_punycode(label: str) -> bool:
    import idna

    try:
        name = label.removeprefix("xn--").encode().decode("punycode")
        return not name.isascii() and idna.uts46_remap(name, std3_rules=False) == name
    except UnicodeError:
        return False


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise ValueError("its host ends in a number and is no address such as 127.0.0.1") from None


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise ValueError("its host is no address such as [::1]") from None
    if address.scope_id is not None:
        raise ValueError("the address in it has a zone")
    if mapped := address.ipv4_mapped:  # versions of Python write it differently
        return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"
    return str(address)


class AllowedOrigins:
    """The origins that a source allows. Entries that are no origins, written by another tool, allow nothing."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._wildcards: list[tuple[str, str]] = []  # the text before the star, and the text after it
        for origin in origins:
            try:
                before, star, after = canonical_origin(origin).partition("*")
            except ValueError:
                continue
            if star:
                self._wildcards.append((before, after))
            else:
                self._exact.add(before)

    def allow(self, origin: str) -> bool:
        """Whether `origin`, the header of a call, is in the list. Clients that are no browsers may write it freely."""
        if origin in self._exact:
            return True
        try:
            canonical = canonical_origin(origin)
        except ValueError:
            return False
        return canonical in self._exact or any(
            canonical.startswith(before) and canonical.endswith(after) and len(canonical) > len(before) + len(after)
            for before, after in self._wildcards
        )
