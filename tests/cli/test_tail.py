"""`trackd tail`, run as a user does."""

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.process import TRACKD
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.sqlite.store import SqliteStore

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
HOSTILE = '{"a":"\\u001b[31m\\u009b1m","b":"x\\ny","c":"\u009b2J\u202e"}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """With the events A-1 to A-3, which have hostile properties, and the invalid B-1."""
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit(
        [
            Make.change("A", events=3, event={"properties": HOSTILE}),
            Make.change("B", events=1, event={"status": "invalid", "reasons": '["price: is \\u001b[1m missing"]'}),
        ]
    )
    yield store
    store.close()


class Tail:
    """A running command, whose stdout is a file."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [TRACKD, "tail", *options], cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True
            )

    def lines(self, number: int) -> list[str]:
        """So many lines, when they are there."""
        wait_until(
            lambda: len(self._out.read_text().split("\n")) > number or self.process.poll() is not None,
            f"{number} lines are printed",
        )
        return self._out.read_text().splitlines()

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """The exit code after a signal, and stderr."""
        self.process.send_signal(number)
        log = self.process.communicate(timeout=60)[1]
        return self.process.returncode, log


@pytest.fixture
def tail(store: SqliteStore, tmp_path: Path) -> Iterator[Callable[..., Tail]]:
    started: list[Tail] = []

    def start(*options: str) -> Tail:
        started.append(Tail(tmp_path, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_new_events_follow_the_newest_until_a_signal(
    store: SqliteStore, tail: Callable[..., Tail], number: signal.Signals
) -> None:
    running = tail("--lines", "2")
    first = running.lines(2)
    store.commit([Make.change("C", events=2, event={"properties": '{"url":"/shoes"}'})])
    lines = running.lines(4)

    assert lines[:2] == first
    assert [re.split("  +", line)[1:4] for line in lines] == [["source", "t", each] for each in "ABCC"]
    assert lines[1].endswith(r"  B  invalid: price: is \x1b[1m missing")
    assert lines[2].endswith("  C  url=/shoes")
    assert running.end(number) == (0, "")
    assert running.lines(4) == lines


def test_json_is_the_records_in_lines_without_control_characters(tail: Callable[..., Tail], store: SqliteStore) -> None:
    running = tail("--json", "--after", "0", "--profile", "A")
    lines = running.lines(3)
    records: list[dict[str, Any]] = [json.loads(line) for line in lines]

    assert [record["id"] for record in records] == ["A-1", "A-2", "A-3"]
    assert all(record["properties"] == json.loads(HOSTILE) for record in records)
    assert all(line.isprintable() for line in lines)
    assert running.end(signal.SIGTERM) == (0, "")
    following = tail("--json", "--after", records[1]["cursor"], "--kinds", "event")
    assert [json.loads(line)["id"] for line in following.lines(2)] == ["A-3", "B-1"]


def test_what_was_not_stored_is_printed_on_request(tail: Callable[..., Tail], store: SqliteStore) -> None:
    faults = '[{"loc":[],"msg":"no \\u001b[1m source","type":"t"}]'
    refusal = Refusal(Make.later, 401, "unknown_source", "nope", faults=faults)
    running = tail("--kinds", "event,refusal", "--lines", "1")
    running.lines(1)
    store.commit([PutRefusals((refusal,), 10)])

    assert re.split("  +", running.lines(2)[1])[1:] == [
        "nope", "-", "-", "not stored: 401 unknown_source", r"no \x1b[1m source"
    ]  # fmt: skip


@pytest.mark.usefixtures("store")
def test_a_reader_that_goes_away_ends_the_command_without_another_event(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [TRACKD, "tail"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    with process.stdout, process.stderr:
        assert "  A  " in process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ""


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(("environment", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_on_a_terminal_a_line_has_colours_and_is_cut_at_its_end(
    tmp_path: Path, environment: dict[str, str], colours: bool
) -> None:
    master, terminal = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [TRACKD, "tail"],
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
        env={**plain, "TERM": "xterm", "COLUMNS": "60", **environment},
    )
    os.close(terminal)
    shown = b""
    while shown.count(b"\n") < 4:
        shown += os.read(master, 65536)
    process.terminate()
    assert process.wait(60) == 0
    os.close(master)
    lines = shown.decode().replace("\r", "").splitlines()
    assert any("\x1b[36m" in line for line in lines) is colours
    unstyled = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert all(line.isprintable() for line in unstyled)
    assert [len(line) for line in unstyled] == [60] * 4
    assert unstyled[0].endswith("…")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--after", "1"], "should be the `cursor` of a record, or 0 for the oldest one."),
        (["--kinds", "event,refusals"], "must be of event, erased, refusal, with commas between them."),
        (["--kinds", ""], "must be of event, erased, refusal"),
        (["--status", "ok"], "'ok' is not one of"),
        (["--lines", "-1"], "should be greater than or equal to 0"),
        (["--type", b"\xff"], "must be text in UTF-8."),
    ],
)
def test_wrong_usage_is_named(trackd: Trackd, options: list[Any], named: str) -> None:
    result = trackd("tail", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in result.stderr


def test_a_lost_position_and_a_missing_file_are_named(
    trackd: Trackd, store: SqliteStore, sentence: Callable[[Result, int], str]
) -> None:
    assert sentence(trackd("tail", "--after", "1.0123456789abcdef.e1"), 1) == (
        "Cannot go on in trackd.db: this position is of another database; --after 0 begins with the oldest."
    )
    assert "There is no database" in sentence(trackd("tail", "--db", "none.db"), 1)
