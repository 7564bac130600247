"""`trackd export --follow`, run as a user does."""

import csv
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.process import TRACKD
from trackd.cli.transfer import set_on_signal
from trackd.storage.sqlite.store import SqliteStore

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
Follow = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=3)])
    store.close()
    return path


@pytest.fixture
def follow(db: Path) -> Iterator[Follow]:
    """Starts the command; returns it when it has begun."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [TRACKD, "export", *options, "--follow", "out"],
            cwd=db.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        wait_until(lambda: (db.parent / "out").is_dir() or process.poll() is not None, "the folder is made")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_jsonl(path: Path) -> list[Any]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def read_csv(path: Path) -> list[Any]:
    return [row["id"] for row in csv.DictReader(path.read_text().splitlines())]


def read_parquet(path: Path) -> list[Any]:
    ids: list[Any] = parquet.read_table(path).column("id").to_pylist()
    return ids


@pytest.mark.parametrize(
    ("kind", "read", "number"),
    [
        ("jsonl", read_jsonl, signal.SIGTERM),
        ("csv", read_csv, signal.SIGINT),
        ("parquet", read_parquet, signal.SIGTERM),
    ],
)
def test_a_signal_completes_the_last_file(
    db: Path, follow: Follow, kind: str, read: Callable[[Path], list[Any]], number: signal.Signals
) -> None:
    process = follow("--table", "event", "--format", kind)
    process.send_signal(number)
    printed, log = process.communicate(timeout=30)

    assert (process.returncode, log) == (0, "")
    file = f"out/event-000000000001-000000000003.{kind}"
    assert printed == f"{file}\n"
    assert [path.name for path in (db.parent / "out").iterdir()] == [Path(file).name]
    assert read(db.parent / file) == ["A-1", "A-2", "A-3"]


def test_a_follower_that_is_killed_loses_nothing(db: Path, follow: Follow) -> None:
    process = follow("--format", "jsonl")
    process.kill()
    process.communicate(timeout=30)
    unfinished = db.parent / "out" / ".event-000000000001-000000000002.jsonl.1.part"
    unfinished.write_text("{")
    process = follow("--format", "jsonl")
    wait_until(lambda: not unfinished.exists(), "the unfinished file is removed")
    process.terminate()

    assert process.communicate(timeout=30)[1] == ""
    assert [read_jsonl(path) for path in (db.parent / "out").iterdir()] == [["A-1", "A-2", "A-3"]]


@pytest.mark.timeout(30)
def test_a_signal_in_the_middle_of_a_wait_stops_too() -> None:
    stop, numbers = threading.Event(), (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    try:
        set_on_signal(stop)
        with stop._cond:  # type: ignore[attr-defined]  # `wait` holds this lock at its beginning and end
            signal.raise_signal(signal.SIGTERM)
        assert stop.wait(20)
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--table", "profile"], "only events can be followed, not --table profile."),
        (["--output", "x"], "takes neither --until nor --output."),
        (["--until", "2026-01-01"], "takes neither --until nor --output."),
    ],
)
def test_wrong_usage_of_follow_is_named(trackd: Trackd, db: Path, options: list[str], named: str) -> None:
    result = trackd("export", "--follow", "out", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in " ".join(result.stderr.replace("│", " ").split())
    assert not (db.parent / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(
    trackd: Trackd, sentence: Callable[[Result, int], str], db: Path
) -> None:
    assert sentence(trackd("export", "--follow", "trackd.db"), 1) == "trackd.db is not a folder: name another one."
    assert (
        sentence(trackd("export", "--follow", "no/out"), 1)
        == "no/out cannot be written (No such file or directory): name another file."
    )
