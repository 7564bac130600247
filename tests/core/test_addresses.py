from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.addresses import limit_key, network_of, parse_address

ADDRESSES = st.ip_addresses()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[203.0.113.7]:4711", "203.0.113.7"),
        ("2001:DB8:0:0::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("[::ffff:203.0.113.7%1]:80", "203.0.113.7"),
        ("::1", "::1"),
    ],
)
def test_an_address_is_canonical_without_port_brackets_and_zone(text: str, canonical: str) -> None:
    assert str(parse_address(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "unknown", "_hidden", "localhost", "testclient", '"203.0.113.7"', "'203.0.113.7'", "<script>"),
        *("203.0.113", "203.0.113.07", "203.0.113.256", "203.0.113.7/24", "203.0.113.7:", "203.0.113.7:x", "1", "0x7f"),
        *("[2001:db8::1", "2001:db8::1]", "[2001:db8::1]x", "[2001:db8::1]:x", "[]", "[]:1", "[[::1]]", "2001:db8:::1"),
        *("for=203.0.113.7", "203.0.113.7 203.0.113.8", "203.0.113.7;", "203.0.113.7\x00", "\uff12\uff10.0.113.7"),
        *("A" * 60_000, "::1%" + "A" * 60_000, "1" * 60_000, "[" * 60_000),
    ],
    ids=lambda text: text[:20],
)
def test_any_other_text_is_no_address(text: str) -> None:
    assert parse_address(text) is None


@given(ADDRESSES, st.integers(0, 65_535), st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=15))
def test_every_address_is_read_in_all_its_forms(address: IPv4Address | IPv6Address, port: int, zone: str) -> None:
    forms = [str(address), address.exploded, f"[{address}]", f"[{address}]:{port}"]
    if isinstance(address, IPv6Address):
        forms += [f"{address}%{zone}", f"[{address}%{zone}]:{port}"]
    else:
        forms += [f"{address}:{port}", f"::ffff:{address}"]
    canonical = getattr(address, "ipv4_mapped", None) or address
    assert {parse_address(form) for form in forms} == {canonical}


@given(st.text(max_size=60))
def test_no_text_is_a_fault(text: str) -> None:
    address = parse_address(text)
    assert address is None or ip_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "network", "key"),
    [
        ("203.0.113.7", "203.0.113.0/24", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48", "2001:db8:1:2::/64"),
        ("::1", "::/48", "::/64"),
        ("2002:cb00:7107::1", "2002:cb00:7100::/40", "2002:cb00:7107::/64"),  # 203.0.113.7 is in it
    ],
)
def test_the_network_of_an_address_and_the_key_of_its_limits(text: str, network: str, key: str) -> None:
    address = parse_address(text)
    assert address is not None
    assert (network_of(address), limit_key(address)) == (network, key)


@given(ADDRESSES)
def test_an_address_is_in_its_network(address: IPv4Address | IPv6Address) -> None:
    assert address in ip_network(network_of(address))
