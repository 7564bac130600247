import asyncio
import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.bench.faults import BenchError
from tests.bench.payloads import body
from tests.bench.peers import peer
from tests.bench.servers import NODE_MODULES, node_peer
from tests.support.database import rows


async def answers(name: str, sessions: list[str]) -> list[str]:
    transport = httpx.ASGITransport(peer(name))
    async with httpx.AsyncClient(transport=transport, base_url="http://peer", timeout=30) as client:
        responses = [await client.post("/track", content=body().replace("SESSION", session)) for session in sessions]
    return [answer.json()["profile"]["id"] for answer in responses]


def test_echo_takes_the_payload() -> None:
    assert asyncio.run(answers("echo", ["s-1"])) == ["s-1"]


def test_lockdb_keeps_profiles_apart_and_numbers_their_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB", f"{tmp_path / 'lock.db'}")
    first, other, again = asyncio.run(answers("lockdb", ["s-1", "s-2", "s-1"]))
    assert first == again != other
    stored = rows(tmp_path / "lock.db", "SELECT seq FROM event WHERE profile = ? ORDER BY seq", first)
    assert [row["seq"] for row in stored] == [1, 2, 3, 4, 5, 6]


@pytest.mark.skipif(not NODE_MODULES.exists() or shutil.which("node") is None, reason="Node's packages are missing")
def test_node_keeps_profiles_apart_and_numbers_their_events(tmp_path: Path) -> None:
    with node_peer(tmp_path) as server:
        first, other, again = (
            httpx.post(f"{server.url}/track", json=json.loads(body().replace("SESSION", session))).json()["profile"][
                "id"
            ]
            for session in ("s-1", "s-2", "s-1")
        )
        assert httpx.post(f"{server.url}/track", json={"events": []}).status_code == 400
    assert first == again != other
    stored = rows(tmp_path / "node.db", "SELECT seq FROM event WHERE profile = ? ORDER BY seq", first)
    assert [row["seq"] for row in stored] == [1, 2, 3, 4, 5, 6]


def test_without_node_the_peer_is_left_out_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError, match="Node is not installed"), node_peer(tmp_path):
        pass


def test_a_body_has_the_given_number_of_events() -> None:
    assert [len(json.loads(body(events))["events"]) for events in (1, 3, 100)] == [1, 3, 100]
