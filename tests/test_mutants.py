"""The mutants as real servers: each breaks its promise, and works otherwise."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.mutants import FAILS_EVERY, SERVED
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

ROOT = Path(__file__).parent.parent


@contextmanager
def mutant(name: str, db: Path) -> Iterator[Process]:
    with Sources(db, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.mutants", name, "serve", "--port", "0", "--db", db],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Process(db, process)
    finally:
        process.kill()
        process.communicate()


async def numbers(server: Process, calls: int, clients: int, ids: Callable[[int], str]) -> list[int]:
    """Calls of one session by many clients at the same time; returns the numbers of those that were answered 200."""
    got: list[int] = []
    left = iter(range(calls))

    async def client() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            for number in left:
                body = payload("s", "page-view")
                body["events"][0]["id"] = ids(number)
                response = await http.post("/track", json=body)
                assert response.status_code in (200, 503)
                if response.status_code == 200:
                    got.extend(response.json()["debugging"]["events"]["seq"])

    await asyncio.gather(*(client() for _ in range(clients)))
    return got


@pytest.mark.parametrize(
    "name", [name if name == "two-actors" else pytest.param(name, marks=pytest.mark.slow) for name in SERVED]
)
async def test_a_served_mutant_breaks_a_promise_to_clients(name: str, tmp_path: Path) -> None:
    calls = 50 * FAILS_EVERY
    with mutant(name, tmp_path / "trackd.db") as server:
        once = await numbers(server, calls, 8, str)
        again = await numbers(server, 3, 1, lambda _: "again")
    twice = len(set(once)) < len(once)
    gap = sorted(set(once)) != list(range(1, len(set(once)) + 1))
    broken = {
        "two-actors": twice,
        "answer-before-commit": twice,
        "no-fence": twice,
        "duplicates": len(set(again)) > 1,
        "no-reset": gap,
    }
    assert broken[name], (once, again)


async def test_the_same_calls_find_no_fault_in_trackd_itself(serve: Callable[..., Process]) -> None:
    server = serve()
    once = await numbers(server, 100, 8, str)
    assert sorted(once) == list(range(1, 101))
    assert set(await numbers(server, 3, 1, lambda _: "again")) == {101}
