"""The writer process, and the result of a batch when the process ends while it commits."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from signal import Signals

import pytest
from msgspec import Raw
from msgspec.structs import replace

from tests.support.database import execute, log_pages, rows
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.results import Results
from tests.support.stores import existing
from trackd.core.changes import Change, Changes, Outcome
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.checkpointer import EARLY
from trackd.storage.sqlite.connection import USUAL_LOG_PAGES, connect
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.framing import Frames, decode_result, encode_batch, framed
from trackd.storage.workers.main import WRITER, command
from trackd.storage.workers.writer_process import OtherConnections, WriterProcess
from trackd.storage.writer import BatchResult

# The beginning of programs that break the protocol after they were ready.
READY = """
import os, sys, time
from trackd.storage.workers.framing import framed, read_frame
def send(payload):
    os.write(1, framed(payload))
send(b"")
"""


class StartedWriter:
    """A started writer process, and its results."""

    def __init__(self, start: Sequence[str], others: OtherConnections | None = None) -> None:
        self.results = Results()
        self.process = WriterProcess(start, self.results, others=others)

    @property
    def pid(self) -> int:
        return existing(self.process.pid)

    async def commit(self, *batch: Change) -> BatchResult:
        self.process.submit(batch)
        return await self.results.next()

    async def commit_when_running(self, *batch: Changes) -> BatchResult:
        async def result() -> BatchResult | None:
            try:
                return await self.commit(*batch)
            except StoreError:
                return None

        return existing(await eventually(result, "the process runs"))


@contextlib.asynccontextmanager
async def started(start: Sequence[str], others: OtherConnections | None = None) -> AsyncIterator[StartedWriter]:
    writer = StartedWriter(start, others)
    await writer.process.start()
    try:
        yield writer
    finally:
        await writer.process.close(10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    SqliteStore(tmp_path / "trackd.db").close()
    return tmp_path / "trackd.db"


def on_file(file: Path) -> list[str]:
    return command(WRITER, file, "FULL", "info", "text")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", READY + code]


def stored(file: Path) -> list[tuple[str, int]]:
    return [(row["id"], row["seq"]) for row in rows(file, "SELECT id, seq FROM profile ORDER BY id")]


async def test_batches_are_committed_and_their_outcomes_come_back(file: Path, make: type[Make]) -> None:
    async with started(on_file(file)) as writer:
        first = await writer.commit(make.change("A", events=2), make.change("B", (5, 5)))
        second = await writer.commit(make.change("A", (2, 1), events=1))
        assert stored(file) == [("A", 3)]

    assert (first.outcomes, second.outcomes) == ([Outcome.STORED, Outcome.STALE], [Outcome.STORED])
    assert existing(first.seconds) > 0


async def test_a_long_log_is_copied_between_commits(file: Path, make: type[Make]) -> None:
    """Before it must be copied after a commit, while no other can begin."""
    pages, number = 0, 1
    async with started(on_file(file)) as writer:
        with contextlib.closing(connect(file, mode="rw")) as connection:
            await writer.commit(make.change("P1", events=1))
            assert connection.execute("SELECT count(*) FROM event").get == 1  # its first read opens the log
            await eventually(lambda: log_pages(connection) == (0, 0), "the log is truncated after the start")
            while pages < EARLY:
                number += 1
                await writer.commit(make.change(f"P{number}", events=20, event={"properties": f'"{"x" * 3_000}"'}))
                pages, _ = log_pages(connection)
            copied = await eventually(lambda: log_pages(connection)[1])

    assert EARLY <= copied <= pages < USUAL_LOG_PAGES


def test_the_process_loads_only_modules_for_commits(file: Path, make: type[Make]) -> None:
    """Each of the others would take memory: OpenSSL alone 3.5 MB."""
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
    async with started(on_file(file)) as writer:
        writer.process.submit([make.change(f"P{n:03}", events=3) for n in range(500)])
        assert await writer.process.close(20)
        result = await writer.results.next()

    assert result.outcomes == [Outcome.STORED] * 500
    assert sorted(path.name for path in file.parent.iterdir()) == ["trackd.db"]
    assert len(stored(file)) == 500


async def test_a_batch_that_fails_has_the_reason_and_the_next_one_is_committed(file: Path, make: type[Make]) -> None:
    async with started(on_file(file)) as writer:
        execute(file, "ALTER TABLE event RENAME TO elsewhere")
        failed = await writer.commit(make.change("A"))
        execute(file, "ALTER TABLE elsewhere RENAME TO event")
        well = await writer.commit(make.change("A"))

    assert "cannot commit: no such table: event" in str(failed.error)
    assert well.outcomes == [Outcome.STORED]


async def test_a_damaged_document_fails_its_own_change_and_the_process_lives(
    file: Path, make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = make.change("B", session="S")
    damaged = replace(damaged, session=replace(existing(damaged.session), context_json=Raw(b'{"a":')))
    async with started(on_file(file)) as writer:
        pid = writer.pid
        for number in range(3):
            alone = await writer.commit(damaged)
            assert (alone.outcomes, alone.error) == ([Outcome.FAILED], None)
            batch = [make.change(f"A{number}", events=1), damaged, make.change(f"C{number}", events=1)]
            result = await writer.commit(*batch)
            assert result.outcomes == [Outcome.STORED, Outcome.FAILED, Outcome.STORED]
        assert writer.pid == pid

    assert [seq for _, seq in stored(file)] == [1] * 6
    assert len(caplog.records) == 1, "one line a minute"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_process_that_is_killed_is_started_again(file: Path, make: type[Make], number: Signals) -> None:
    async with started(on_file(file)) as writer:
        assert (await writer.commit(make.change("A", events=1))).outcomes == [Outcome.STORED]
        killed = writer.pid
        os.kill(killed, number)
        reported = await writer.results.next()
        after = await writer.commit_when_running(make.change("A", (1, 1), events=1))
        assert writer.pid != killed

    assert f"was ended by {number.name}" in str(reported.error)
    assert after.outcomes == [Outcome.STORED]
    assert stored(file) == [("A", 2)]


async def test_a_batch_whose_process_is_killed_has_failed(make: type[Make]) -> None:
    async with started(python("read_frame(sys.stdin.buffer); time.sleep(60)")) as writer:
        writer.process.submit([make.change("A")])
        os.kill(writer.pid, signal.SIGKILL)
        result = await writer.results.next()
        with pytest.raises(StoreError, match="not running"):
            writer.process.submit([make.change("A")])

    assert str(result.error) == "the writer process was ended by SIGKILL"
    assert result.outcomes == ()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
async def test_signals_that_are_meant_for_the_server_do_not_end_the_process(
    file: Path, make: type[Make], number: Signals
) -> None:
    async with started(on_file(file)) as writer:
        pid = writer.pid
        os.kill(pid, number)
        result = await writer.commit(make.change("A"))
        assert writer.pid == pid

    assert result.outcomes == [Outcome.STORED]


async def test_closing_kills_a_process_that_hangs(make: type[Make]) -> None:
    async with started(python("time.sleep(600)")) as writer:
        writer.process.submit([make.change("A")])
        pid = writer.pid
        assert not await writer.process.close(0.1)
        result = await writer.results.next()
        assert not Path(f"/proc/{pid}").exists()

    assert "SIGKILL" in str(result.error)


async def test_a_frame_that_is_not_a_result_ends_the_process_and_fails_the_batch(make: type[Make]) -> None:
    async with started(python("read_frame(sys.stdin.buffer); send(b'not JSON'); time.sleep(60)")) as writer:
        result = await writer.commit(make.change("A"))

    assert "was ended by SIGKILL" in str(result.error)


async def test_output_that_is_printed_in_the_process_is_not_read_as_a_frame(file: Path, make: type[Make]) -> None:
    start = on_file(file)
    async with started([start[0], "-c", f"import sys; sys.argv = {start[3:]!r}\n{NOISY}"]) as writer:
        result = await writer.commit(make.change("A"))

    assert result.outcomes == [Outcome.STORED]


NOISY = """
from trackd.storage.sqlite.writer import SqliteWriter
from trackd.storage.workers import main, writer_worker
class Noisy(SqliteWriter):
    def commit(self, batch):
        print("a stray print", flush=True)
        return super().commit(batch)
writer_worker.SqliteWriter = Noisy
main.main()
"""


async def test_a_start_that_fails_has_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened for writing"):
        await WriterProcess(on_file(tmp_path / "missing" / "trackd.db"), Results()).start()


async def test_a_process_that_ends_at_once_does_not_start() -> None:
    with pytest.raises(StoreError, match="ended with exit code 3 before it was ready"):
        await WriterProcess([sys.executable, "-c", "raise SystemExit(3)"], Results()).start()


async def test_a_process_that_does_not_start_again_is_tried_again_and_closing_does_not_wait(
    tmp_path: Path, make: type[Make]
) -> None:
    flag = tmp_path / "started"
    once = f"import pathlib; p = pathlib.Path({str(flag)!r}); p.exists() and sys.exit(4); p.touch()"
    start = [sys.executable, "-c", f"import sys; {once}\n{READY}\nread_frame(sys.stdin.buffer); sys.exit(5)"]

    async with started(start) as writer:
        result = await writer.commit(make.change("A"))
        assert await writer.process.close(5)

    assert str(result.error) == "the writer process ended with exit code 5"


async def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    begun = tmp_path / "pid"
    never_ready = (
        f"import os, pathlib, time; pathlib.Path({str(begun)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    starting = asyncio.create_task(WriterProcess([sys.executable, "-c", never_ready], Results()).start())
    pid = await eventually(lambda: begun.exists() and begun.read_text(), "the process runs")

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert not Path(f"/proc/{pid}").exists()
