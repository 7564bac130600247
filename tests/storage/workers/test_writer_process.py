"""The writer process, and what becomes of a batch when it ends before its time."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from signal import Signals
from typing import Any

import pytest

from tests.storage.conftest import Make
from tests.support.database import execute, rows
from trackd.core.changes import Changes, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.checkpointer import LONG
from trackd.storage.sqlite.connection import AUTOCHECKPOINT, connect
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.framing import Frames, decode_result, encode_batch, framed
from trackd.storage.workers.main import WRITER, command
from trackd.storage.workers.writer_process import WriterProcess
from trackd.storage.writer import BatchResult

# Children that break the rules: they say that they are ready, and then...
READY = """
import os, sys, time
from trackd.storage.workers.framing import framed, read_frame
def say(payload):
    os.write(1, framed(payload))
say(b"")
"""


class Results(asyncio.Queue):
    def __call__(self, result: BatchResult) -> None:
        self.put_nowait(result)

    async def next(self) -> BatchResult:
        return await asyncio.wait_for(self.get(), 20)


class Stage:
    """A started writer process, and its results."""

    def __init__(self, *start: str) -> None:
        self.results = Results()
        self.writer = WriterProcess(start, self.results)

    async def commit(self, *batch: Changes) -> BatchResult:
        self.writer.submit(batch)
        return await self.results.next()

    async def commit_again(self, *batch: Changes) -> BatchResult:
        """Try until the process is there."""
        for _ in range(2_000):
            try:
                return await self.commit(*batch)
            except StoreError:
                await asyncio.sleep(0.01)
        raise TimeoutError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "trackd.db").close()
    return tmp_path / "trackd.db"


async def play(start: list[str], story: Callable[..., Any]) -> Any:
    """Run the story in the loop that the server has."""

    stage = Stage(*start)
    await stage.writer.start()
    try:
        return await story(stage)
    finally:
        await stage.writer.close(10)


def on_file(file: Path) -> list[str]:
    return command(WRITER, file, "FULL", "info", "text")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", READY + code]


def stored(file: Path) -> list[tuple[str, int]]:
    return [(row["id"], row["seq"]) for row in rows(file, "SELECT id, seq FROM profile ORDER BY id")]


async def test_batches_are_committed_and_their_outcomes_come_back(file: Path, make: type[Make]) -> None:
    async def story(stage: Stage) -> tuple[BatchResult, BatchResult, list[tuple[str, int]]]:
        first = await stage.commit(make.change("A", events=2), make.change("B", (5, 5)))
        second = await stage.commit(make.change("A", (2, 1), events=1))
        return first, second, stored(file)

    first, second, seen = await play(on_file(file), story)

    assert (first.outcomes, second.outcomes) == ([Outcome.STORED, Outcome.STALE], [Outcome.STORED])
    assert first.seconds > 0
    assert seen == [("A", 3)]


async def test_a_long_log_is_copied_beside_the_commits(file: Path, make: type[Make]) -> None:
    """Before SQLite would do it, after a commit and in its way."""

    async def story(stage: Stage, pages: int = 0, copied: int = 0, number: int = 0) -> tuple[int, int]:
        with contextlib.closing(connect(file, mode="rw")) as beside:
            while pages < AUTOCHECKPOINT - 200 and not copied:
                number += 1
                await stage.commit(make.change(f"P{number}", events=20, event={"properties": f'"{"x" * 3_000}"'}))
                pages, copied = beside.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()[1:]
        return pages, copied

    pages, copied = await play(on_file(file), story)

    assert LONG <= copied <= pages < AUTOCHECKPOINT


def test_the_process_loads_only_what_commits(file: Path, make: type[Make]) -> None:
    """Each of these is memory beside that of the server: OpenSSL alone 3.5 MB."""
    python, *arguments = on_file(file)
    batch, _ = encode_batch([make.change("A", events=2, session="S")])
    writer = subprocess.run([python, "-X", "importtime", *arguments], input=framed(batch), capture_output=True)
    loaded = set(re.findall(r"^import time:.*\|\s*(\S+)$", writer.stderr.decode(), re.MULTILINE))
    _, result = Frames().feed(writer.stdout)

    assert decode_result(result).outcomes == [Outcome.STORED]
    assert "trackd.storage.sqlite.writer" in loaded
    assert not loaded & {
        "_hashlib",
        "_ssl",
        "asyncio",
        "concurrent.futures",
        "pydantic_core",
        "sqlite_utils",
        "trackd.storage.sqlite.listings",
        "uuid_utils",
    }


async def test_closing_waits_for_the_batch_and_leaves_one_file(file: Path, make: type[Make]) -> None:
    async def story(stage: Stage) -> BatchResult:
        stage.writer.submit([make.change(f"P{n:03}", events=3) for n in range(500)])
        assert await stage.writer.close(20)
        return await stage.results.next()

    assert (await play(on_file(file), story)).outcomes == [Outcome.STORED] * 500
    assert sorted(path.name for path in file.parent.iterdir()) == ["trackd.db"]
    assert len(stored(file)) == 500


async def test_a_batch_that_fails_says_why_and_the_next_one_is_committed(file: Path, make: type[Make]) -> None:
    async def story(stage: Stage) -> tuple[BatchResult, BatchResult]:
        execute(file, "ALTER TABLE event RENAME TO elsewhere")
        failed = await stage.commit(make.change("A"))
        execute(file, "ALTER TABLE elsewhere RENAME TO event")
        return failed, await stage.commit(make.change("A"))

    failed, well = await play(on_file(file), story)

    assert "cannot commit: no such table: event" in str(failed.error)
    assert well.outcomes == [Outcome.STORED]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_process_that_is_killed_is_started_again(file: Path, make: type[Make], number: Signals) -> None:
    async def story(stage: Stage) -> tuple[BatchResult, BatchResult, bool]:
        assert (await stage.commit(make.change("A", events=1))).outcomes == [Outcome.STORED]
        killed = stage.writer.pid
        os.kill(killed, number)
        told = await stage.results.next()
        after = await stage.commit_again(make.change("A", (1, 1), events=1))
        return told, after, stage.writer.pid != killed

    told, after, is_another = await play(on_file(file), story)

    assert f"was ended by {number.name}" in str(told.error)
    assert (after.outcomes, is_another) == ([Outcome.STORED], True)
    assert stored(file) == [("A", 2)]


async def test_a_batch_whose_process_is_killed_has_failed(make: type[Make]) -> None:
    async def story(stage: Stage) -> BatchResult:
        stage.writer.submit([make.change("A")])
        os.kill(stage.writer.pid, signal.SIGKILL)
        result = await stage.results.next()
        with pytest.raises(StoreError, match="not running"):
            stage.writer.submit([make.change("A")])
        return result

    result = await play(python("read_frame(sys.stdin.buffer); time.sleep(60)"), story)

    assert str(result.error) == "the writer process was ended by SIGKILL"
    assert result.outcomes == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_that_are_meant_for_the_server_do_not_end_it(
    file: Path, make: type[Make], number: Signals
) -> None:
    async def story(stage: Stage) -> tuple[list[Outcome], bool]:
        pid = stage.writer.pid
        os.kill(pid, number)
        return (await stage.commit(make.change("A"))).outcomes, stage.writer.pid == pid

    assert await play(on_file(file), story) == ([Outcome.STORED], True)


async def test_closing_kills_a_process_that_hangs(make: type[Make]) -> None:
    async def story(stage: Stage) -> tuple[bool, BatchResult, bool]:
        stage.writer.submit([make.change("A")])
        pid = stage.writer.pid
        ended = await stage.writer.close(0.1)
        result = await stage.results.next()
        return ended, result, Path(f"/proc/{pid}").exists()

    ended, result, there = await play(python("time.sleep(600)"), story)

    assert (ended, there) == (False, False)
    assert "SIGKILL" in str(result.error)


async def test_an_answer_that_is_none_ends_the_process_and_fails_the_batch(make: type[Make]) -> None:
    async def story(stage: Stage) -> BatchResult:
        return await stage.commit(make.change("A"))

    result = await play(python("read_frame(sys.stdin.buffer); say(b'not JSON'); time.sleep(60)"), story)

    assert "was ended by SIGKILL" in str(result.error)


async def test_what_the_process_prints_is_not_taken_for_an_answer(file: Path, make: type[Make]) -> None:
    start = on_file(file)
    noisy = [start[0], "-c", f"import sys; sys.argv = {start[3:]!r}\n" + NOISY]

    async def story(stage: Stage) -> BatchResult:
        return await stage.commit(make.change("A"))

    assert (await play(noisy, story)).outcomes == [Outcome.STORED]


NOISY = """
from trackd.storage.workers import main as children
from trackd.storage.sqlite.writer import SqliteWriter
class Noisy(SqliteWriter):
    def commit(self, batch):
        print("a stray print", flush=True)
        return super().commit(batch)
children.SqliteWriter = Noisy
children.main()
"""


async def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    async def story(stage: Any) -> None:
        raise AssertionError

    with pytest.raises(StoreError, match="cannot be opened for writing"):
        await play(on_file(tmp_path / "missing" / "trackd.db"), story)


async def test_a_process_that_ends_at_once_does_not_start(tmp_path: Path) -> None:
    async def story(stage: Any) -> None:
        raise AssertionError

    with pytest.raises(StoreError, match="ended with exit code 3 before it was ready"):
        await play([sys.executable, "-c", "raise SystemExit(3)"], story)


async def test_a_process_that_does_not_come_back_is_tried_again_and_closing_does_not_wait(
    tmp_path: Path, make: type[Make]
) -> None:
    flag = tmp_path / "started"
    once = f"import pathlib; p = pathlib.Path({str(flag)!r}); p.exists() and sys.exit(4); p.touch()"

    async def story(stage: Stage) -> tuple[BatchResult, bool]:
        stage.writer.submit([make.change("A")])
        result = await stage.results.next()
        return result, await stage.writer.close(5)

    start = [sys.executable, "-c", f"import sys; {once}\n{READY}\nread_frame(sys.stdin.buffer); sys.exit(5)"]
    result, ended = await play(start, story)

    assert str(result.error) == "the writer process ended with exit code 5"
    assert ended
