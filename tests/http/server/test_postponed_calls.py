"""Calls that are postponed on the fast path or on the slow one: answered once, in their order, as all others are."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.http.server.track_requests import chunked, new_store, post
from tests.support.payloads import payload
from tests.support.raw_http import RawConnection, connected
from tests.support.serving import serving
from trackd.config.settings import Limits, Settings
from trackd.core.rules.compiling import compile_rules
from trackd.core.work import Allowance
from trackd.http.track import costly_work
from trackd.http.track.endpoint import TrackEndpoint

PAIRS = "event.properties.l.exists(a, event.properties.l.exists(b, a == b + 1))"
RULES = compile_rules(
    {"rule": [{"name": "pairs", "event": "pairs", "when": PAIRS, "steps": [{"target": "pii.p", "value": 1}]}]}, Limits()
)


def costly(client: int, session: str = "s", *, encode: Callable[..., bytes] = post) -> bytes:
    """A call of so many milliseconds, from an address behind a proxy."""
    event = {"type": "pairs", "properties": {"l": [2] * 160}}
    return encode(json.dumps(payload(session) | {"events": [event]}).encode(), f"X-Forwarded-For: 203.0.113.{client}")


@pytest.fixture
async def url(allowances: list[Allowance]) -> AsyncIterator[str]:
    """A server that took a costly call a moment ago: calls of unknown clients have an allowance."""
    limits = Limits(client_calls_per_s=1)
    async with serving(new_store(), Settings(limits=limits), rules=RULES) as client:
        url = str(client.base_url)
        async with connected(url) as connection:
            assert saved(await ask(connection, costly(1, "first"))) == (1, [1])
        yield url


@pytest.fixture
def allowances(monkeypatch: pytest.MonkeyPatch) -> list[Allowance]:
    """Those of all submitted calls, in their order."""
    monkeypatch.setattr(costly_work, "MUCH", 1)
    monkeypatch.setattr(costly_work, "FORGOTTEN_PER_S", 0)
    given, submit = list[Allowance](), TrackEndpoint.submit

    def noted(self: TrackEndpoint, *arguments: Any) -> Any:
        given.append(arguments[5])
        return submit(self, *arguments)

    monkeypatch.setattr(TrackEndpoint, "submit", noted)
    return given


async def ask(connection: RawConnection, *pieces: bytes) -> Any:
    await connection.send(*pieces)
    answer = await connection.answer()
    assert answer.status == 200
    return json.loads(answer.body)["debugging"]


def saved(answer: Any) -> tuple[int, list[int]]:
    return answer["events"]["saved"], answer["events"]["seq"]


@pytest.mark.parametrize("encode", [post, chunked])
@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_postponed_call_is_answered_once(
    url: str, allowances: list[Allowance], encode: Callable[..., bytes], pieces: int
) -> None:
    request = costly(2, encode=encode)
    async with connected(url) as connection:
        answer = await ask(connection, *([request] if pieces == 1 else [request[:100], request[100:]]))
        assert saved(answer) == (1, [1])
        assert saved(await ask(connection, costly(3, encode=encode))) == (1, [2])
    assert [each.is_repeated for each in allowances[1:]] == [False, True] * 2
    assert allowances[1].units < allowances[2].units


async def test_pipelined_calls_behind_a_postponed_one_are_answered_in_their_order(
    url: str, allowances: list[Allowance]
) -> None:
    async with connected(url) as connection:
        await connection.send(b"".join(costly(2 + number, f"s-{number}") for number in range(4)))
        bodies = [json.loads((await connection.answer()).body) for _ in range(4)]
    assert [body["session"]["id"] for body in bodies] == ["s-0", "s-1", "s-2", "s-3"]
    assert [each.is_repeated for each in allowances[1:]] == [False, True] * 4


async def test_a_postponed_call_counts_once_for_its_client(url: str) -> None:
    """Ten calls may come at once."""
    async with connected(url) as connection:
        await ask(connection, costly(2))
        for number in range(9):
            await connection.send(post(json.dumps(payload(f"n-{number}")).encode(), "X-Forwarded-For: 203.0.113.2"))
            assert (await connection.answer()).status == 200
