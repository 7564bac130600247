"""Clients that send until the server ends, and the checks of its file after that."""

import asyncio
from collections.abc import Callable

import httpx

from tests.support.database import rows
from tests.support.payloads import SOURCE_ID
from tests.support.process import Process

CLIENTS, PROFILES = 24, 7
WITHIN_S = 120.0  # for a busy machine: alone, the load takes few seconds


class Load:
    """Clients that send until the server ends. `answered` maps the id of each answered event to its `seq`.

    `enough` is set when `goal` events are answered, `some` at a third of that.
    """

    def __init__(self, server: Process, run: str = "") -> None:
        """`run` is the prefix of the ids of its events."""
        self.server = server
        self._run = run
        self.answered: dict[str, int] = {}
        self.refused = 0
        self.broken: list[Exception] = []
        self.some, self.enough = asyncio.Event(), asyncio.Event()
        self.goal = 900

    async def run(self, stop: Callable[[], None]) -> None:
        clients = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        await asyncio.wait_for(self.enough.wait(), WITHIN_S)
        stop()
        await asyncio.wait_for(asyncio.gather(*clients), WITHIN_S)

    async def _client(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=WITHIN_S) as client:
            for count in range(1_000_000):
                ids = [f"{self._run}e{number}-{count}-{event}" for event in range(3)]
                if not await self._call(client, f"s-{(number + count) % PROFILES}", ids):
                    return

    async def _call(self, client: httpx.AsyncClient, session: str, ids: list[str]) -> bool:
        events = [{"type": "page-view", "id": event_id} for event_id in ids]
        body = {"source": {"id": SOURCE_ID}, "session": {"id": session}, "events": events}
        try:
            response = await client.post("/track", json=body)
        except httpx.ConnectError:
            return False  # it does not listen any more
        except httpx.TransportError as error:
            self.broken.append(error)
            return False
        if response.status_code == 503:
            assert response.headers["retry-after"]
            self.refused += 1
            return True
        assert response.status_code == 200, response.text
        listed = response.json()["debugging"]["events"]
        assert listed["ids"] == ids
        self.answered |= dict(zip(ids, listed["seq"], strict=True))
        if len(self.answered) > self.goal / 3:
            self.some.set()
        if len(self.answered) > self.goal:
            self.enough.set()
        return True


def check_file(load: Load) -> None:
    stored = rows(load.server.db, "SELECT id, seq FROM event")
    by_id = {row["id"]: row["seq"] for row in stored}
    assert len(by_id) == len(stored), "an event is stored twice"
    assert {key: by_id.get(key) for key in load.answered} == load.answered
    for row in rows(
        load.server.db,
        "SELECT p.seq, count(*) AS n, count(DISTINCT e.seq) AS d, min(e.seq) AS a, max(e.seq) AS b,"
        " p.doc ->> '$.stats.views' AS views FROM profile p JOIN event e ON e.profile_id = p.id GROUP BY p.id",
    ):
        assert row == {"seq": row["n"], "n": row["n"], "d": row["n"], "a": 1, "b": row["n"], "views": row["n"]}
    calls = rows(load.server.db, "SELECT count(*) AS n FROM event GROUP BY substr(id, 1, length(id) - 2)")
    assert {row["n"] for row in calls} == {3}, "a call is stored in part"
    assert rows(load.server.db, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
