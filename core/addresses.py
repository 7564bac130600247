"""Addresses of clients: their canonical form, their network, and the key under which their calls are limited. Pure."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

MAX_CHARACTERS = 100  # an IPv6 address with brackets, zone and port has fewer
IN_BRACKETS = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?")
IPV4_WITH_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
NETWORK_BITS = {4: 24, 6: 48}  # as Google Analytics anonymizes addresses
SIX_TO_FOUR, SIX_TO_FOUR_BITS = ip_network("2002::/16"), 16 + 24  # an IPv4 address follows, of which 24 bits are kept
CLIENT_BITS = {4: 32, 6: 64}  # a household has a /64 or more: it can change the rest at will


def parse_address(text: str) -> Address | None:
    """The address in a text, None if there is none.

    A port, brackets and a zone are cut. An IPv4 address that is mapped into IPv6 is the IPv4 address.
    """
    return _parse(text) if len(text) <= MAX_CHARACTERS else None


@lru_cache(maxsize=4_096)
def _parse(text: str) -> Address | None:
    text = text.strip()
    if found := IN_BRACKETS.fullmatch(text) or IPV4_WITH_PORT.fullmatch(text):
        text = found[1]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # the number has no zone
    return address


def network_of(address: Address) -> str:
    """The network whose clients `privacy.ip = "network"` does not tell apart: `203.0.113.0/24`, `2001:db8:1::/48`."""
    if address in SIX_TO_FOUR:
        return str(ip_network((address, SIX_TO_FOUR_BITS), strict=False))
    return _network(address, NETWORK_BITS)


def network_of_text(address: str | None) -> str | None:
    """The network of an address that was kept as text; None if there is none."""
    parsed = parse_address(address) if address else None
    return None if parsed is None else network_of(parsed)


def limit_key(address: Address) -> str:
    """An IPv4 address, or the /64 of an IPv6 address: clients with the same key share their limits."""
    return str(address) if address.version == 4 else _network(address, CLIENT_BITS)


def _network(address: Address, bits: dict[int, int]) -> str:
    return str(ip_network((address, bits[address.version]), strict=False))
