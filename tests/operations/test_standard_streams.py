"""Descriptors 0 to 2 that are closed, and outputs that cannot be written, for the server and for all commands."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.support.exports import exported
from tests.support.forked_command import run_command
from tests.support.making import Make
from tests.support.payloads import bearer
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.process import TRACKD, Process, writer_pid
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

Result = subprocess.CompletedProcess[str]
Run = Callable[..., Result]
Serve = Callable[..., Process]
ServeOn = Callable[[str], tuple[subprocess.Popen[str], str]]

ENVIRONMENT = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
FULL = "/dev/full"
REASONS = {FULL: "No space left on device", None: "Bad file descriptor"}
PRINTING = [
    ["--version"],
    ["--help"],
    ["source", "--help"],
    ["config"],
    ["source", "list"],
    ["source", "show", "s"],
    ["token", "list"],
    ["verify"],
    ["export"],
    ["export", "--table", "event", "--format", "csv"],
    ["export", "--table", "event", "--format", "parquet"],
    ["rules", "check", "rules.toml"],
    ["rules", "try", "rules.toml", "--event", "event.json"],
    ["profile", "show", "p"],
    ["profile", "export", "p"],
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a folder with the files that the commands of this module name."""
    store = SqliteStore(tmp_path / "trackd.db")
    store.commit([Make.change("p", events=2), Make.change("q", events=2)])
    store.close()
    with Sources(tmp_path / "trackd.db") as sources:
        sources.add(Source("s", "test"))
    with Tokens(tmp_path / "trackd.db") as tokens:
        tokens.add("first", [])
    (tmp_path / "all.jsonl").write_bytes(b"".join(exported(tmp_path / "trackd.db")))
    (tmp_path / "rules.toml").write_text("")
    (tmp_path / "event.json").write_text('{"type": "t"}')

    def command(*arguments: str, streams: Mapping[int, str | None]) -> Result:
        return run_command(arguments, tmp_path, ENVIRONMENT, streams)

    return command


@pytest.mark.parametrize("stdout", [FULL, None], ids=["full", "closed"])
def test_a_command_whose_output_cannot_be_written_fails_with_one_sentence(run: Run, stdout: str | None) -> None:
    wrong = []
    for words in PRINTING:
        done = run(*words, streams={1: stdout})
        if (done.returncode, done.stderr) != (1, f"trackd: stdout cannot be written: {REASONS[stdout]}.\n"):
            wrong.append((words, done))
    assert wrong == []


@pytest.mark.parametrize(
    "words", [["import", "all.jsonl", "--db", "new.db"], ["rules", "apply"], ["profile", "erase", "p"]]
)
def test_work_that_is_done_stays_done_when_its_line_cannot_be_printed(
    run: Run, words: list[str], tmp_path: Path
) -> None:
    done = run(*words, streams={1: FULL})

    assert done.returncode == 0
    assert set(done.stderr.splitlines()) == {"trackd: warning: stdout cannot be written: No space left on device."}
    assert run("verify", "--db", "new.db" if words[0] == "import" else "trackd.db", streams={}).returncode == 0


def test_a_source_whose_id_cannot_be_printed_is_named_in_the_error(run: Run) -> None:
    done = run("source", "add", "--name", "x", "--id", "x", streams={1: FULL})
    assert done.returncode == 1
    assert done.stderr == "trackd: The source x was made, but stdout cannot be written: No space left on device.\n"


@pytest.mark.parametrize("stdout", [FULL, None], ids=["full", "closed"])
def test_a_token_that_cannot_be_shown_is_not_made(run: Run, tmp_path: Path, stdout: str | None) -> None:
    done = run("token", "new", "t", streams={1: stdout})

    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1] == f"trackd: The token was not made: stdout cannot be written: {REASONS[stdout]}."
    )
    with Tokens(tmp_path / "trackd.db") as tokens:
        assert [token.name for token in tokens.all()] == ["first"]


@pytest.mark.parametrize("stderr", [FULL, None], ids=["full", "closed"])
def test_a_stderr_that_cannot_be_written_changes_nothing(run: Run, stderr: str | None, tmp_path: Path) -> None:
    made = run("token", "new", "t", streams={2: stderr})
    assert (made.returncode, made.stdout[:7]) == (0, "trackd_")
    assert run("source", "show", "s", streams={2: stderr}).returncode == 0
    assert run("source", "show", "none", streams={2: stderr}).returncode == 1
    assert run("source", "--nonsense", streams={2: stderr}).returncode == 2


def test_a_closed_stdin_is_no_input(run: Run, tmp_path: Path) -> None:
    done = run("import", "-", "--db", "new.db", streams={0: None})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "trackd: stdin is not imported, line 1: it cannot be read (Bad file descriptor).\n"
    assert not (tmp_path / "new.db").exists()
    assert run("verify", streams={0: None}).returncode == 0


@pytest.fixture
def serve_on(tmp_path: Path) -> Iterator[ServeOn]:
    """Starts a server with the redirections of a shell, and waits until it is ready; returns its process and URL."""
    running: list[subprocess.Popen[str]] = []

    def start(redirections: str) -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        process = subprocess.Popen(
            ["sh", "-c", f"exec {TRACKD} serve --port {port} {redirections}"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)

        def is_ready() -> bool:
            assert process.poll() is None, process.communicate()
            try:
                return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, "the server is ready")
        return process, f"http://127.0.0.1:{port}"

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_server_with_closed_descriptors_runs_and_its_writer_inherits_the_lock(
    serve_on: ServeOn, redirections: str, tmp_path: Path
) -> None:
    process, _ = serve_on(redirections)

    opened = [link.readlink() for link in Path(f"/proc/{writer_pid(process.pid)}/fd").iterdir()]
    assert tmp_path / "trackd.db-lock" in opened
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in log) == (0, False), log


@pytest.mark.parametrize("redirections", [">/dev/full", ">&-", ">/dev/null"])
def test_a_first_token_that_cannot_be_shown_is_not_made_and_the_next_start_makes_one(
    serve_on: ServeOn, serve: Serve, redirections: str, tmp_path: Path
) -> None:
    process, url = serve_on(redirections)
    process.terminate()
    _, log = process.communicate(timeout=30)

    assert (process.returncode, "Traceback" in log) == (0, False), log
    assert "no administration token was made" in log
    assert (url in log) == (redirections != ">/dev/null")
    with Tokens(tmp_path / "trackd.db") as tokens:
        assert tokens.all() == []
    again = serve(source=False)
    assert httpx.get(f"{again.url}/info/version", headers=bearer(again.token), timeout=30).status_code == 200


def test_a_server_whose_log_is_not_read_any_more_goes_on(serve: Serve) -> None:
    server = serve()
    assert server.process.stderr is not None
    server.process.stderr.close()
    server.process.send_signal(signal.SIGHUP)  # which is logged
    assert httpx.get(f"{server.url}/ready", timeout=30).status_code == 200
    server.process.terminate()
    assert server.process.wait(30) == 0
