"""Exports and backups while the server is busy: each shows one moment, and the server continues."""

import asyncio
import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.exports import contents
from tests.support.payloads import payload
from tests.support.process import TRACKD, Process

Serve = Callable[..., Process]
CLIENTS, PROFILES = 16, 40


async def _under_load(server: Process, work: Callable[[], Awaitable[None]]) -> int:
    """Do some work while clients send calls; returns the number of calls answered meanwhile, all with 200."""
    stop, warm = asyncio.Event(), asyncio.Event()
    answered = 0

    async def client(number: int) -> None:
        nonlocal answered
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            for count in range(1_000_000):
                session = f"s-{(number * 7 + count) % PROFILES}"
                response = await http.post("/track", json=payload(session, "page-view", "a", "b"))
                assert response.status_code == 200, response.text
                answered += 1
                if answered == 500:
                    warm.set()
                if stop.is_set():
                    return

    clients = asyncio.gather(*(client(number) for number in range(CLIENTS)))
    await asyncio.wait_for(warm.wait(), 60)
    before = answered
    await work()
    during = answered - before
    stop.set()
    await clients
    return during


async def _trackd(server: Process, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(TRACKD, *arguments, cwd=server.db.parent)
    assert await asyncio.wait_for(process.wait(), 60) == 0


def _seqs(events: list[dict[str, Any]]) -> dict[str, list[int]]:
    seqs = defaultdict(list)
    for event in events:
        seqs[event["profile"]["id"]].append(event["seq"])
    return seqs


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_exports_while_the_server_is_busy_have_each_profiles_events_from_1_to_its_last(serve: Serve) -> None:
    server = serve()
    folder = server.db.parent

    async def work() -> None:
        for number in range(3):
            await _trackd(server, "export", "--output", f"all-{number}.jsonl")
            await _trackd(server, "export", "--table", "event", "--output", f"events-{number}.jsonl")
            await _trackd(server, "import", f"all-{number}.jsonl", "--db", f"new-{number}.db")

    assert await _under_load(server, work) > 50
    assert server.stop() == 0
    for number in range(3):
        records = [json.loads(line) for line in (folder / f"all-{number}.jsonl").read_text().splitlines()[1:-1]]
        seqs = _seqs([record["document"] for record in records if record["table"] == "event"])
        last = {
            record["document"]["id"]: record["document"]["seq"] for record in records if record["table"] == "profile"
        }
        assert seqs == {profile_id: list(range(1, seq + 1)) for profile_id, seq in last.items()}
        alone = _seqs([json.loads(line) for line in (folder / f"events-{number}.jsonl").read_text().splitlines()])
        assert all(seq == list(range(1, len(seq) + 1)) and len(seq) >= last[key] for key, seq in alone.items())
        moment = contents(folder / f"new-{number}.db")["event"]
        assert moment == contents(server.db)["event"][: len(moment)]


@pytest.mark.slow
async def test_backups_while_the_server_is_busy_are_sound_and_show_one_moment(serve: Serve) -> None:
    server = serve()

    async def work() -> None:
        for number in range(5):
            await _trackd(server, "backup", f"copy-{number}.db")

    assert await _under_load(server, work) > 50
    for number in range(5):
        copy = server.db.with_name(f"copy-{number}.db")
        with contextlib.closing(sqlite3.connect(copy)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            counts = "SELECT max(p.seq), count(e.seq), min(e.seq), max(e.seq), count(DISTINCT e.seq) FROM profile AS p"
            for seq, *found in db.execute(f"{counts} JOIN event AS e ON e.profile_id = p.id GROUP BY p.id"):
                assert found == [seq, 1, seq, seq]
    assert server.stop() == 0
    assert not Path(f"{server.db}-wal").exists()
