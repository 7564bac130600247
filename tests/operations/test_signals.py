"""Signals at any moment of a server and of commands: nothing is left behind, and the exit code is the usual one."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute
from tests.support.exports import exported
from tests.support.payloads import bearer
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process, catches
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Start = Callable[..., subprocess.Popen[str]]
Serve = Callable[..., Process]

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
STOPS = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command in an empty folder; its stdin is an open pipe."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen([TRACKD, *arguments], cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def send_when(process: subprocess.Popen[str], moment: Callable[[], Any], number: int) -> tuple[int, str, str]:
    """Send the signal at that moment; returns the exit code, stdout and stderr."""
    wait_until(lambda: moment() or process.poll() is not None, "the moment comes")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def moments(process: subprocess.Popen[str], folder: Path) -> dict[str, Callable[[], Any]]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return {
        "the first moment": lambda: catches(process.pid, signal.SIGTERM),
        "lock": (folder / "trackd.db-lock").exists,
        "file": (folder / "trackd.db").exists,
        "writer": children.read_text,
    }


@pytest.mark.parametrize("moment", ["the first moment", "lock", "file", "writer"])
def test_a_server_that_is_stopped_during_its_start_was_stopped_as_asked_and_its_token_is_shown_or_not_made(
    start: Start, serve: Serve, tmp_path: Path, moment: str
) -> None:
    process = start("serve", "--port", "0")

    code, out, log = send_when(process, moments(process, tmp_path)[moment], signal.SIGTERM)

    assert (code, "Traceback" in log) == (0, False), log
    again = serve(source=False)
    assert out.count("Bearer trackd_") + ("Bearer trackd_" in "".join(again.greeting)) == 1
    secret = again.token or out.partition("Bearer ")[2].partition("'")[0]
    assert httpx.get(f"{again.url}/info/version", headers=bearer(secret), timeout=30).status_code == 200
    assert again.stop() == 0


def test_a_server_that_receives_sighup_during_its_start_reads_the_rules_again_when_it_runs(start: Start) -> None:
    process = start("serve", "--port", "0")
    wait_until(lambda: catches(process.pid, signal.SIGTERM), "signals are handled")
    process.send_signal(signal.SIGHUP)
    assert process.stdout is not None
    assert any("is ready at" in line for line in iter(process.stdout.readline, ""))
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert (process.returncode, "are reloaded" in log) == (0, True), log


@pytest.mark.parametrize("number", STOPS)
def test_signals_during_the_stop_do_not_cut_it_short(serve: Serve, number: int) -> None:
    server = serve()
    answer = httpx.post(f"{server.url}/track", json={"source": {"id": "x"}, "session": {"id": "s"}, "events": []})
    assert answer.status_code == 401
    server.process.send_signal(number)
    for _ in range(2_000):
        for other in (number, *NUMBERS):
            server.process.send_signal(other)
        if server.process.poll() is not None:
            break
    _, log = server.process.communicate(timeout=30)
    assert server.process.returncode == 0, log
    assert "every call that was answered is on disk" in log
    assert not server.db.with_name("trackd.db-wal").exists()


@pytest.fixture
def importing(start: Start, tmp_path: Path) -> subprocess.Popen[str]:
    """An import that waits for its second line."""
    with Sources(tmp_path / "old.db", create=True):
        pass
    process = start("import", "-", "--db", "new.db")
    assert process.stdin is not None
    process.stdin.write(exported(tmp_path / "old.db")[0].decode())
    process.stdin.flush()
    made = tmp_path.glob
    wait_until(
        lambda: [path for path in made("*new.db*") if path.suffix != ".db-lock" and path.stat().st_size], "a file"
    )
    return process


def files_of_import(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "new.db" in path.name]


@pytest.mark.parametrize("number", NUMBERS)
def test_an_import_that_is_ended_leaves_no_file_and_exits_with_the_number_of_the_signal(
    importing: subprocess.Popen[str], tmp_path: Path, number: int
) -> None:
    importing.send_signal(number)
    out, err = importing.communicate(timeout=30)
    assert (importing.returncode, out) == (128 + number, "")
    assert err == f"trackd: ended by {signal.Signals(number).name}.\n"
    assert files_of_import(tmp_path) == ["new.db-lock"]


def test_more_signals_do_not_interrupt_the_removal_of_files(importing: subprocess.Popen[str], tmp_path: Path) -> None:
    while importing.poll() is None:
        importing.send_signal(signal.SIGTERM)
        importing.send_signal(signal.SIGHUP)
    assert importing.returncode in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
    assert files_of_import(tmp_path) == ["new.db-lock"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("command", [["export", "--output", "out"], ["backup", "out"]])
def test_a_command_that_is_ended_leaves_a_complete_file_or_none(
    start: Start, tmp_path: Path, command: list[str], number: int
) -> None:
    with Sources(tmp_path / "trackd.db", create=True) as sources:
        sources.add(Source("s", "test"))
    execute(
        tmp_path / "trackd.db",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO event_id (profile_id, id, seq) SELECT 'p', i, i FROM n",
    )
    process = start(*command)

    code, out, err = send_when(process, lambda: list(tmp_path.glob(".out.*")), number)

    assert list(tmp_path.glob(".out*")) == []
    if code == 0:  # it was faster than the signal
        assert (tmp_path / "out").stat().st_size > 100_000
    else:
        assert (code, out, err) == (128 + number, "", f"trackd: ended by {signal.Signals(number).name}.\n")
        assert not (tmp_path / "out").exists()


def test_a_command_whose_reader_has_ended_exits_with_the_number_of_sigpipe(start: Start, tmp_path: Path) -> None:
    with Sources(tmp_path / "trackd.db", create=True):
        pass
    process = start("export")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 128 + signal.SIGPIPE
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_a_command_that_was_started_to_ignore_a_signal_ignores_it(start: Start, tmp_path: Path) -> None:
    with Sources(tmp_path / "old.db", create=True):
        pass
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = start("import", "-", "--db", "new.db")
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: catches(process.pid, signal.SIGTERM), "signals are handled")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(b"".join(exported(tmp_path / "old.db")).decode(), timeout=30)
    assert process.returncode == 0, err


def test_children_of_a_server_ignore_signals_that_are_sent_to_all_its_processes(serve: Serve) -> None:
    server = serve()
    writer = server.writer_pid()
    for number in NUMBERS:
        os.kill(writer, number)
    answer = httpx.post(f"{server.url}/track", json={"source": {"id": "x"}, "session": {"id": "s"}, "events": []})
    assert answer.status_code == 401
    assert server.writer_pid() == writer
    assert server.stop() == 0
