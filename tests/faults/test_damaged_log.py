"""A damaged write-ahead log, with real servers: nothing is dropped without a decision."""

import itertools
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.real_server import RealServer
from tests.support.database import rows
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process
from trackd.storage.sqlite.log_frames import LogFrames, log_of

Start = Callable[..., RealServer]
COMMITS = 12


@pytest.fixture
def damaged(start: Start) -> Path:
    """The file of a server that was killed; a bit in the middle of its log has flipped since."""
    server = start()
    sessions = itertools.count()

    def log_is_long() -> bool:  # it is truncated once, a moment after the start, and not all its commits are of calls
        calls = next(sessions)
        assert server.call("t", session=f"s-{calls}").status_code == 200
        return calls > COMMITS and len(ends_of_commits(server.db)) >= COMMITS

    wait_until(log_is_long)
    os.kill(server.process.writer_pid(), signal.SIGKILL)  # alone, it would copy the log into the file and end
    server.process.stop(signal.SIGKILL)
    with LogFrames(server.db) as frames:
        place = frames.offset(ends_of_commits(server.db)[-COMMITS // 2]) + 2_000
    with log_of(server.db).open("rb+") as log:
        log.seek(place)
        before = log.read(1)[0]
        log.seek(place)
        log.write(bytes([before ^ 16]))
    return server.db


def ends_of_commits(file: Path) -> list[int]:
    with LogFrames(file) as frames:
        return [frame.number for frame in frames.frames() if frame.ends_commit]


def trackd(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "1000"}
    return subprocess.run([TRACKD, *arguments], capture_output=True, text=True, timeout=60, env=environment)


def test_a_damaged_log_refuses_each_command_but_verify_until_a_decision_is_made(
    damaged: Path, serve: Callable[..., Process]
) -> None:
    before = log_of(damaged).read_bytes()
    copy, export = damaged.parent / "copy.db", damaged.parent / "all.jsonl"
    for arguments in (
        ("serve", "--port", "0"),
        ("source", "add", "--name", "x"),
        ("token", "new", "x"),
        ("backup", copy),
        ("export", "--output", export),
        ("tail",),
        ("restore", damaged, "--db", copy),
    ):
        refused = trackd(*arguments) if "--db" in arguments else trackd(*arguments, "--db", damaged)
        assert refused.returncode == 1
        assert "commits behind its frame" in refused.stderr
        assert "--accept-damaged-log" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert not copy.exists()
    assert not export.exists()
    assert log_of(damaged).read_bytes() == before

    audited = trackd("verify", "--db", damaged)
    assert audited.returncode == 1
    assert "cannot be read" in audited.stdout
    assert "--accept-damaged-log" in " ".join(audited.stdout.split())
    assert log_of(damaged).read_bytes() == before


def test_a_decision_starts_the_server_with_the_commits_before_the_damage(
    damaged: Path, serve: Callable[..., Process]
) -> None:
    before = log_of(damaged).read_bytes()
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", damaged, "--accept-damaged-log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert Process(damaged, process).stop() == 0

    numbers = [row["number"] for row in rows(damaged, "SELECT number FROM event ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= COMMITS // 2 - 1
    [copy] = damaged.parent.glob("*-wal-damaged-*")
    assert copy.read_bytes() == before
    assert trackd("verify", "--db", damaged).returncode == 0
    serve(damaged)  # no decision is needed any more


def test_with_normal_the_server_starts_and_counts_what_it_dropped(damaged: Path, start: Start) -> None:
    server = start(TRACKD_DATABASE_SYNCHRONOUS="NORMAL")

    assert server.call("t", session="after").status_code == 200
    assert server.log().count("at the end of the write-ahead log cannot be read, as after a power loss") == 1
