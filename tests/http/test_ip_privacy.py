"""`privacy.ip` holds for all that is stored or logged of a client's address, on both paths."""

import logging
from typing import Any, Literal

import httpx
import pytest

from tests.support.payloads import SOURCE_ID, payload
from tests.support.raw_http import connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Privacy, Server, Settings
from trackd.core.documents import Source
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.memory import MemoryStore

Mode = Literal["full", "network", "none"]
FULL = "203.0.113.77"


def seen(ip: str | None) -> RuleSet:
    """A rule that writes a trait when its condition sees this address."""
    text = "null" if ip is None else f"'{ip}'"
    steps = [{"target": "traits.public.seen", "value": True}]
    return compile_rules(
        {"rule": [{"name": "a", "event": "*", "when": f"event.metadata.ip == {text}", "steps": steps}]}, Limits()
    )


def settings(mode: Mode) -> Settings:
    return Settings(server=Server(drain_ms=0), privacy=Privacy(ip=mode))


@pytest.mark.parametrize(
    "headers", [{"x-forwarded-for": FULL}, {"x-forwarded-for": FULL, "origin": "https://a.example"}, {}]
)
@pytest.mark.parametrize(
    ("mode", "proxied", "direct"),
    [("full", FULL, "127.0.0.1"), ("network", "203.0.113.0", "127.0.0.0"), ("none", None, None)],
)
async def test_events_and_rules_have_the_address_as_far_as_privacy_ip_lets(
    mode: Mode, proxied: str | None, direct: str | None, headers: dict[str, str]
) -> None:
    ip = proxied if headers else direct
    store = MemoryStore([Source(SOURCE_ID, "test", returns_profile=True)])
    async with serving(store, settings(mode), rules=seen(ip)) as client:
        for number in range(2):
            sent = payload(f"s-{number}", "t", options={"profile": True})
            answer = await client.post("/track", json=sent, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["profile"]["traits"]["public"] == {"seen": True}
    assert [event.ip for event in store.events] == [ip, ip]


async def provoke_refusals(client: httpx.AsyncClient) -> None:
    """Refusals of each kind, from an address behind a proxy and from this machine."""
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/track", {"json": payload("s", source="nobody")}),
        ("POST", "/track", {"json": payload("s", source="slow")}),
        ("POST", "/track", {"json": payload("s", source="slow")}),
        ("POST", "/track", {"content": b"{"}),
        ("GET", "/info/version", {}),
        ("GET", "/nothing", {}),
    ]
    for method, path, more in requests:
        assert (await client.request(method, path, headers={"x-forwarded-for": FULL}, **more)).status_code >= 200
    async with connected(str(client.base_url)) as connection:
        assert (await connection.ask(b"not HTTP\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    ("mode", "shown", "own"),
    [
        ("full", " (from 203.0.113.77 in 203.0.113.0/24)", " (from 127.0.0.1 in 127.0.0.0/24)"),
        ("network", " (from 203.0.113.0/24)", " (from 127.0.0.0/24)"),
        ("none", "", ""),
    ],
)
async def test_refusals_are_logged_with_source_and_client_as_far_as_privacy_ip_lets(
    mode: Mode, shown: str, own: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore([Source("slow", "one call in a thousand seconds", rate_limit=0.001)])
    with caplog.at_level(logging.DEBUG):
        async with serving(store, settings(mode)) as client:
            await provoke_refusals(client)
    lines = [message for message in caplog.messages if message.startswith("refused")]
    assert len(lines) == 6, lines
    by_status = {line.split()[2].rstrip(","): line for line in lines}
    with_source = shown.replace("(from", "(source `{}`, from") or " (source `{}`)"
    assert by_status["401"].endswith(shown)
    assert by_status["429"].endswith(with_source.format("slow"))
    assert by_status["422"].endswith(shown)
    assert by_status["404"].endswith(shown)
    assert by_status["400"].endswith(own)
    assert any(line.endswith(with_source.format("nobody")) for line in lines)
    if mode != "full":
        assert not any(FULL in message or "127.0.0.1" in message for message in lines)
