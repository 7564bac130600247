"""Every call is answered alike on the fast path and on the slow path: JSON of all kinds, naughty texts, random ones."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings

from tests.http.server.both_paths import MARK, Seen, Server, both_paths
from tests.http.track.random_payloads import json_texts
from tests.support.serving import serving
from trackd.config.settings import Server as ServerSettings
from trackd.config.settings import Settings
from trackd.core.json_values import same
from trackd.http.server.fast_path import MAX_BODY_BYTES
from trackd.storage.sqlite.store import SqliteStore

PAYLOADS = Path(__file__).parents[2] / "payloads"
# Names begin with y (valid JSON), n (not valid) or i (either).
JSON_TESTS: dict[str, bytes] = {
    name: text.encode("latin-1")
    for name, text in json.loads((PAYLOADS / "json_test_suite.json").read_text())["cases"].items()
}
NAUGHTY: list[str] = json.loads((PAYLOADS / "naughty_strings.json").read_text())["strings"]
Servers = tuple[Server, Server]


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[Servers]:
    async with both_paths() as found:
        yield found


async def seen_alike(servers: Servers, body: bytes) -> Seen:
    fast, slow = [await server.ask(body) for server in servers]
    assert fast == slow, body
    return fast


def with_property(value: bytes) -> bytes:
    return b'{"source":{"id":"s"},"session":{"id":"x"},"events":[{"type":"t","properties":{"v":%s}}]}' % value


def decoded(body: bytes) -> Any:
    """The value that Python's own parser reads, with U+FFFD for lone surrogates. Raises ValueError."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    value = json.loads(body.decode(), parse_constant=refuse)
    return json.loads(re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(value, ensure_ascii=False)))


def expected_status(name: str, body: bytes) -> int:
    if name == "i_structure_500_nested_arrays":
        return 413
    try:
        json.dumps(decoded(body), allow_nan=False)
    except ValueError:
        return 422
    return 200


async def test_each_file_of_the_json_test_suite_is_taken_or_refused_alike_as_the_value_of_a_property(
    servers: Servers,
) -> None:
    taken = set()
    for name, value in JSON_TESTS.items():
        body = with_property(value)
        seen = await seen_alike(servers, body)
        assert seen.status == expected_status(name, body), name
        if seen.status == 200:
            taken.add(name)
            sent = decoded(body)["events"][0]["properties"]
            for server in servers:
                assert same(json.loads(server.store.events[-1].properties), sent), name
    assert {name for name in JSON_TESTS if name.startswith("y_")} <= taken
    assert not any(name.startswith("n_") for name in taken)


async def test_each_file_of_the_json_test_suite_is_refused_alike_as_a_body(servers: Servers) -> None:
    for name, body in JSON_TESTS.items():
        if not body.startswith(MARK):  # the slow path gets one before it
            assert (await seen_alike(servers, body)).status in (413, 422), name


async def test_naughty_texts_are_stored_as_they_were_sent_as_values_keys_and_types(servers: Servers) -> None:
    for events in naughty_events():
        body = json.dumps({"source": {"id": "s"}, "session": {"id": "x"}, "events": events}).encode()
        assert len(body) < MAX_BODY_BYTES
        seen = await seen_alike(servers, body)
        assert len(seen.events) == len(events), seen.answer
        for server in servers:
            stored = server.store.events[-len(events) :]
            assert [(event.type, json.loads(event.properties)) for event in stored] == content(events)


async def test_naughty_texts_are_read_back_from_the_database_as_they_were_sent(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "trackd.db")
    async with serving(store, Settings(server=ServerSettings(drain_ms=0)), admin=True) as client:
        await client.post("/event-source", json={"id": "s", "name": "test"})
        for number, events in enumerate(naughty_events()):
            sent = {"source": {"id": "s"}, "session": {"id": f"x-{number}"}, "events": events}
            answer = await client.post("/track", json=sent)
            assert answer.json()["debugging"]["events"]["types"] == [event["type"] for event in events]
            read = (await client.get(f"/events/session/x-{number}")).json()["result"]
            assert content(reversed(read)) == content(events)


def naughty_events(size: int = 60) -> Iterator[list[dict[str, Any]]]:
    """Events with each text as type, value and key, cut to the length that a type may have."""
    texts = list(dict.fromkeys(text[:255] for text in NAUGHTY))
    events = [{"type": text or "t", "properties": {"v": text, text: [text]}} for text in texts]
    return (events[start : start + size] for start in range(0, len(events), size))


def content(events: Iterable[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(event["type"], event["properties"]) for event in events]


@pytest.mark.slow
async def test_naughty_texts_are_answered_alike_as_ids(servers: Servers) -> None:
    for text in NAUGHTY:
        sent = {"session": {"id": text}, "profile": {"id": text}, "events": [{"type": "t", "id": text}]}
        await seen_alike(servers, json.dumps({"source": {"id": "s"}, **sent}).encode())


async def check(servers: Servers, body: bytes) -> None:
    """The call is answered alike, and its values are stored as Python's own parser reads them."""
    seen = await seen_alike(servers, body)
    if seen.status != 200:
        return
    sent = [event.get("properties") or {} for event in decoded(body)["events"]]
    if len(seen.events) == len(sent) > 0:  # otherwise some are duplicates, or not to be stored
        for server in servers:
            stored = [json.loads(event.properties) for event in server.store.events[-len(sent) :]]
            assert same(stored, sent), body


@given(json_texts(number=5))
async def test_random_payloads_are_answered_alike(servers: Servers, bodies: list[bytes]) -> None:
    for body in bodies:
        await check(servers, body)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@given(json_texts(number=2))
@settings(max_examples=1_000)
async def test_thousands_of_random_payloads_are_answered_alike(servers: Servers, bodies: list[bytes]) -> None:
    for body in bodies:
        await check(servers, body)
