"""The client's address: from the connection, and from the headers of trusted proxies."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.server.track_requests import call, chunked, new_store, post
from tests.support.faulty_store import FaultyStore
from tests.support.raw_http import RawConnection, connected
from tests.support.serving import serving
from trackd.config.settings import Server as ServerSettings
from trackd.config.settings import Settings
from trackd.http.server.proxy_headers import MAX_HOPS, ProxyHeaders

PEER = "127.0.0.1"
HOSTILE = ["unknown", '"203.0.113.7"', "<script>alert(1)</script>", "A" * 60_000, "1.2.3.4.5", "203.0.113.7/24", "; ,"]


SERVER = (PEER, 8686)
UNIX = ("/run/trackd.sock", None)  # as ASGI has it


async def client_of(forwarded: list[str], trusted: str = PEER, peer: Any = (PEER, 4711), server: Any = SERVER) -> Any:
    """The client that the application sees; `forwarded` are the lines of X-Forwarded-For."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"])

    lines = [(b"x-forwarded-for", line.encode("latin-1")) for line in forwarded]
    headers = [(b"host", b"x"), *lines]
    scope = {"type": "http", "scheme": "http", "client": peer, "server": server, "headers": headers}
    await ProxyHeaders(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    return seen[0] and seen[0][0]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], PEER),
        ([""], PEER),
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:DB8::1]:4711"], "2001:db8::1"),
        (["fe80::1%eth0"], "fe80::1"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7", PEER], "203.0.113.7"),
        (["203.0.113.7 , 10.1.2.3,127.0.0.1"], "203.0.113.7"),
        ([",, 203.0.113.7,, ,"], "203.0.113.7"),
        (["10.1.2.3, 127.0.0.1"], "10.1.2.3"),
        (["unknown, 203.0.113.7"], "203.0.113.7"),
        (["unknown, 10.1.2.3"], "10.1.2.3"),
        (["6.6.6.6, unknown, 10.1.2.3"], "10.1.2.3"),
        (["6.6.6.6, unknown"], PEER),
        ([*HOSTILE[:3], "203.0.113.7"], "203.0.113.7"),
        *(([hostile], PEER) for hostile in HOSTILE),
        (["6.6.6.6" + ", 10.1.2.3" * MAX_HOPS], "10.1.2.3"),
        (["," * 60_000], PEER),
    ],
    ids=str,
)
async def test_the_client_is_the_nearest_hop_that_is_not_trusted(forwarded: list[str], client: str) -> None:
    assert await client_of(forwarded, "127.0.0.1, ::1, 10.0.0.0/8") == client


@pytest.mark.parametrize(
    ("trusted", "peer", "client"),
    [
        ("127.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "203.0.113.7"),
        ("10.0.0.0/8", "::ffff:10.0.0.1", "203.0.113.7"),
        ("::1", "::1", "203.0.113.7"),
        ("fe80::/10", "fe80::1%eth0", "203.0.113.7"),
        ("*", "10.0.0.1", "203.0.113.7"),
        ("*", "/run/trackd.sock", "203.0.113.7"),
        ("127.0.0.1", "/run/trackd.sock", "/run/trackd.sock"),
    ],
)
async def test_only_trusted_peers_report_clients(trusted: str, peer: str, client: str) -> None:
    assert await client_of(["203.0.113.7"], trusted, (peer, 1)) == client


async def test_a_peer_on_a_unix_socket_has_no_address() -> None:
    assert await client_of(["203.0.113.7"], PEER, None) is None
    assert await client_of(["203.0.113.7"], "*", None) == "203.0.113.7"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("unknown, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("unknown, <script>", PEER),
    ],
)
async def test_if_any_proxy_is_trusted_the_client_is_the_first_address(forwarded: str, client: str) -> None:
    assert await client_of([forwarded], "*") == client


@pytest.mark.parametrize("trusted", [PEER, "", "10.0.0.0/8"])
@pytest.mark.parametrize("server", [UNIX, None], ids=["file", "without a file"])
async def test_the_peer_of_a_unix_socket_is_a_trusted_proxy(trusted: str, server: Any) -> None:
    assert await client_of(["6.6.6.6, 203.0.113.7"], trusted, None, server) == "203.0.113.7"
    assert await client_of([], trusted, None, server) is None


async def test_a_peer_of_tcp_that_has_disconnected_and_so_has_no_address_is_not_trusted() -> None:
    assert await client_of(["203.0.113.7"], peer=None) is None


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        (" HTTPS ", "https"),
        ("https, http", "https"),
        ("https,https", "https"),
        ("http, https", "http"),
        ("http", "http"),
        ("wss", "http"),
        ("x" * 99, "http"),
    ],
)
async def test_a_trusted_proxy_reports_the_scheme(proto: str, scheme: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["scheme"] == scheme

    headers = [(b"x-forwarded-proto", proto.encode())]
    scope = {"type": "http", "scheme": "http", "client": (PEER, 1), "server": SERVER, "headers": headers}
    await ProxyHeaders(app, PEER)(scope, None, None)  # type: ignore[arg-type]


@pytest.fixture
async def server() -> AsyncIterator[tuple[FaultyStore, RawConnection]]:
    store = new_store()
    settings = Settings(server=ServerSettings(drain_ms=0))
    async with serving(store, settings) as client, connected(str(client.base_url)) as connection:
        yield store, connection


@pytest.mark.parametrize("encode", [post, chunked])
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:10])
async def test_a_forwarded_text_that_is_no_address_reaches_no_event(
    server: tuple[FaultyStore, RawConnection], hostile: str, encode: Any
) -> None:
    store, connection = server
    sent = encode(call("s", *["page-view"] * 5), f"X-Forwarded-For: {hostile}", f"X-Real-IP: {hostile[:100]}")
    for _ in range(2):
        assert (await connection.ask(sent)).status == 200
    assert {event.ip for event in store.events} == {PEER}


async def test_calls_of_different_clients_on_one_connection_keep_their_addresses(
    server: tuple[FaultyStore, RawConnection],
) -> None:
    store, connection = server
    lines = [
        [],
        ["X-Forwarded-For: 203.0.113.7"],
        [],
        ["X-Forwarded-For: 2001:db8::1", "x-forwarded-for: 10.1.2.3"],
        [],
    ]
    for number, headers in enumerate(lines * 2):
        answer = await connection.ask(post(call(f"s-{number}"), *headers))
        assert answer.status == 200, json.loads(answer.body)
    assert [event.ip for event in store.events] == [PEER, "203.0.113.7", PEER, "10.1.2.3", PEER] * 2
