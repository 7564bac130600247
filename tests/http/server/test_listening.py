"""The sockets of one or several hosts, with one port."""

import contextlib
import socket
from collections.abc import Iterator, Sequence

import pytest

from trackd.http.server.listening import ListenError, listen, url


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


with_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@contextlib.contextmanager
def listening_on(*hosts: str, port: int = 0) -> Iterator[list[socket.socket]]:
    sockets = listen(hosts, port)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def hosts_of(sockets: Sequence[socket.socket]) -> list[str]:
    assert len({each.getsockname()[1] for each in sockets}) == 1, "all have one port"
    return [each.getsockname()[0] for each in sockets]


@with_ipv6
def test_all_of_ipv4_and_all_of_ipv6_are_listened_on_at_once() -> None:
    with listening_on("::", "0.0.0.0") as sockets:
        assert hosts_of(sockets) == ["::", "0.0.0.0"]
        port = sockets[0].getsockname()[1]
        for address in ("::1", "127.0.0.1"):
            socket.create_connection((address, port), timeout=5).close()


@with_ipv6
def test_all_of_ipv6_is_ipv6_alone() -> None:
    with listening_on("::") as [alone]:
        assert alone.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", alone.getsockname()[1]), timeout=5)


@pytest.mark.parametrize(
    ("hosts", "listened_on"),
    [
        (["127.0.0.1", "127.0.0.1"], ["127.0.0.1"]),
        (["127.0.0.1", "127.0.0.2"], ["127.0.0.1", "127.0.0.2"]),
        (["127.0.0.1", "0.0.0.0", "127.0.0.2"], ["0.0.0.0"]),
    ],
)
def test_an_address_has_one_socket_and_none_if_another_includes_it(hosts: list[str], listened_on: list[str]) -> None:
    with listening_on(*hosts) as sockets:
        assert hosts_of(sockets) == listened_on


def test_all_addresses_of_a_name_are_listened_on_without_those_that_the_machine_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        addresses = ["127.0.0.1", "198.51.100.1", "127.0.0.2"] if host == "name" else ["198.51.100.2"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with listening_on("name") as sockets:
        assert hosts_of(sockets) == ["127.0.0.1", "127.0.0.2"]
    with pytest.raises(ListenError, match="lacking: Cannot assign requested address"):
        listen(["name", "lacking"], 0)


def test_a_free_port_is_free_at_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening_on("127.0.0.2") as [taken]:
        port = taken.getsockname()[1]
        create = socket.create_server

        def create_server(address: tuple[str, int], **options: object) -> socket.socket:
            if address == ("127.0.0.1", 0):  # the system's choice is always the port that is taken at the other address
                address = ("127.0.0.1", port)
            return create(address, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "create_server", create_server)
        with listening_on("127.0.0.1", "127.0.0.2") as sockets:
            assert hosts_of(sockets) == ["127.0.0.1", "127.0.0.2"]
            assert sockets[0].getsockname()[1] != port


def test_an_address_in_use_is_named_and_the_other_sockets_are_closed() -> None:
    # Addresses of this test alone: other tests may use the port at the same moment.
    with listening_on("127.3.0.2") as [taken]:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as failed:
            listen(["127.3.0.1", "127.3.0.2"], port)
        assert (failed.value.host, failed.value.is_in_use) == ("127.3.0.2", True)
        with listening_on("127.3.0.1", port=port) as sockets:
            assert hosts_of(sockets) == ["127.3.0.1"]


def test_a_name_that_nobody_has_is_an_error_with_the_reason_of_the_lookup() -> None:
    with pytest.raises(ListenError, match=r"no-such\.invalid: "):
        listen(["no-such.invalid"], 0)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (("127.0.0.1", 80), "http://127.0.0.1:80"),
        (("::1", 80, 0, 0), "http://[::1]:80"),
        (("fe80::1%eth0", 80, 0, 2), "http://[fe80::1%25eth0]:80"),
    ],
)
def test_the_url_of_a_socket(name: tuple[object, ...], shown: str) -> None:
    class Bound(socket.socket):
        def getsockname(self) -> tuple[object, ...]:
            return name

    with Bound() as bound:
        assert url(bound) == shown
