import re
from ipaddress import ip_network

import pytest

from trackd.config.networks import networks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("127.0.0.1", ["127.0.0.1/32"]),
        ("127.0.0.1, ::1,", ["127.0.0.1/32", "::1/128"]),
        (" 10.0.0.0/8,192.168.0.0/255.255.0.0 ", ["10.0.0.0/8", "192.168.0.0/16"]),
        ("2001:DB8::/32, 0.0.0.0/0, ::/0", ["2001:db8::/32", "0.0.0.0/0", "::/0"]),
        ("::ffff:10.0.0.1, ::ffff:10.0.0.0/104", ["10.0.0.1/32", "10.0.0.0/8"]),
    ],
)
def test_a_list_has_addresses_and_networks(text: str, found: list[str]) -> None:
    assert networks(text) == tuple(map(ip_network, found))


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("10.0.0.5/8", "10.0.0.5/8", "write the network, or 10.0.0.5 for this address alone"),
        ("2001:db8::1/32", "2001:db8::1/32", "an address within 2001:db8::/32"),
        ("127.0.0.1, localhost", "localhost", "names are not looked up"),
        ("a;b", "a;b", "separate several with commas"),
        ("10.0.0.1;10.0.0.2", "10.0.0.1;10.0.0.2", "separate several with commas"),
        ("10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2", "separate several with commas"),
        ("fe80::1%eth0", "fe80::1%eth0", "has a zone"),
        ("127.0.0.1:8080", "127.0.0.1:8080", "neither an address"),
        ("[::1]", "[::1]", "neither an address"),
        ("10.0.0.0/33", "10.0.0.0/33", "neither an address"),
        ("010.0.0.1", "010.0.0.1", "neither an address"),
        ("*, 10.0.0.1", "*", "neither an address"),
        ("unix:", "unix:", "neither an address"),
        ("none", "none", "neither an address"),
    ],
)
def test_anything_else_is_named_with_a_hint(text: str, part: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(part)} .*{re.escape(hint)}"):
        networks(text)
