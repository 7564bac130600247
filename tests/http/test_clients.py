from typing import Literal

import pytest

from trackd.config.settings import Limits, Privacy
from trackd.http.clients import UNKNOWN, Clients

Mode = Literal["full", "network", "none"]


@pytest.mark.parametrize(
    ("mode", "peer", "ip", "shown"),
    [
        ("full", "203.0.113.7", "203.0.113.7", "203.0.113.7 in 203.0.113.0/24"),
        ("full", "::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7 in 203.0.113.0/24"),
        ("full", "fe80::1%eth0", "fe80::1", "fe80::1 in fe80::/48"),
        ("network", "203.0.113.7", "203.0.113.0", "203.0.113.0/24"),
        ("network", "2001:db8:1:2::3", "2001:db8:1::", "2001:db8:1::/48"),
        ("none", "203.0.113.7", None, ""),
    ],
)
def test_an_address_is_kept_and_logged_as_far_as_privacy_ip_lets(
    mode: Mode, peer: str, ip: str | None, shown: str
) -> None:
    client = Clients(Privacy(ip=mode)).of((peer, 1))
    assert (client.ip, client.shown) == (ip, shown)


@pytest.mark.parametrize("peer", [None, ("", 0), ("testclient", 50_000), ("unix:", 0), ("<script>" * 10_000, 0)])
def test_a_client_without_an_address_is_unknown(peer: tuple[str, int] | None) -> None:
    assert Clients().of(peer) is UNKNOWN


@pytest.mark.parametrize("mode", ["full", "network", "none"])
@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", None),
        ("fd00::1", None),
    ],
)
def test_the_key_of_a_client_is_its_whole_address_unless_it_has_no_limits(
    mode: Mode, peer: str, key: str | None
) -> None:
    clients = Clients(Privacy(ip=mode), Limits(unlimited_clients="10.0.0.0/8, fd00::/8"))
    assert clients.of((peer, 1)).key == key
