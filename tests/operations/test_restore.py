"""An operator puts a copy in the place of the database: by `trackd restore`, or by hand beside an old log."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import apsw
import httpx
import pytest

from tests.support.exports import contents
from tests.support.forked_command import run_command
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process, has_ended
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Serve = Callable[..., Process]


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run_command(arguments, Path("/"), os.environ)


def call(server: Process, *types: str) -> None:
    assert httpx.post(f"{server.url}/track", json=payload("s", *types), timeout=30).status_code == 200


def refusal(db: Path) -> str:
    result = run("serve", "--port", "0", "--db", db)
    assert (result.returncode, result.stdout) == (1, "")
    [sentence] = [line for line in result.stderr.splitlines() if line.startswith("trackd: ")]
    return sentence


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, a `copy.db` of it with 1 event, and a log with 300 more of a server that was killed."""
    db = tmp_path_factory.mktemp("made") / "trackd.db"
    with Sources(db, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    command = [str(TRACKD), "serve", "--port", "0", "--db", str(db)]
    server = Process(db, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    call(server, "first")
    assert run("backup", db.with_name("copy.db"), "--db", db).returncode == 0
    for number in range(3):
        call(server, *[f"later-{number}"] * 100)
    writer = server.writer_pid()
    os.kill(writer, signal.SIGKILL)  # all processes at once, as when a machine or a container ends
    server.process.kill()
    server.process.communicate()
    wait_until(lambda: has_ended(writer), "the writer process is gone")
    return db.parent


@pytest.fixture
def killed(made: Path, tmp_path: Path) -> Path:
    for name in ("trackd.db", "trackd.db-wal", "copy.db"):
        shutil.copy2(made / name, tmp_path / name)
    return tmp_path / "trackd.db"


def test_a_copy_put_beside_an_old_log_is_refused_by_every_command_and_restored_with_its_own(
    serve: Serve, killed: Path
) -> None:
    copy = killed.with_name("copy.db")
    shutil.copyfile(copy, killed)

    assert f"{killed} and the log beside it, trackd.db-wal, do not belong together" in refusal(killed)
    for command in (["verify"], ["export"], ["backup", f"{killed}.other"], ["source", "list"], ["token", "list"]):
        result = run(*command, "--db", killed)
        assert (result.returncode, "do not belong together" in result.stderr) == (1, True), command
    assert killed.read_bytes() == copy.read_bytes()

    assert run("restore", copy, "--db", killed, "--force").returncode == 0
    assert len(contents(killed)["event"]) == 1
    server = serve()
    call(server, "again")
    assert len(contents(killed)["event"]) == 2


def test_a_file_and_its_log_go_on_after_a_kill_and_are_not_replaced_while_they_are_served(
    serve: Serve, killed: Path
) -> None:
    server = serve()
    result = run("restore", killed.with_name("copy.db"), "--db", killed, "--force")
    assert result.returncode == 1
    assert f"is in use by another trackd (pid {server.process.pid}): stop it" in result.stderr
    call(server, "again")
    assert len(contents(killed)["event"]) == 302


def test_a_log_whose_file_is_gone_is_not_thrown_away_by_a_start(killed: Path) -> None:
    killed.unlink()
    assert "do not belong together: the file is missing" in refusal(killed)
    assert Path(f"{killed}-wal").stat().st_size > 0
    assert not killed.exists()


def overwrite(path: Path) -> None:
    """Damage pages in the middle of the file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(b"x" * 40_960)


def test_a_damaged_file_is_refused_after_a_kill_with_the_remedy(killed: Path) -> None:
    with contextlib.closing(apsw.Connection(str(killed))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("UPDATE heartbeat SET beats = beats + 1")
    overwrite(killed)
    assert "trackd.db is damaged" in refusal(killed)
    assert f"put a backup in its place with `trackd restore BACKUP --db {killed} --force`" in refusal(killed)
