"""Commands that are killed, or whose disk is full: nothing of theirs is taken for a part of a later file."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.exports import contents, exported, import_lines
from tests.support.interrupted import interrupt
from tests.support.polling import wait_until
from tests.support.process import TRACKD
from trackd.core.documents import Source
from trackd.storage.sqlite.lock_content import NotedLog, noted_log
from trackd.storage.sqlite.sources import Sources
from trackd.storage.transfer.backup import back_up


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith("-lock"))


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


def begun_import(stored: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """An import into `folder / "new.db"` that has read all lines but the last."""
    process = subprocess.Popen(
        [TRACKD, "import", "-", "--db", folder / "new.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(b"".join(exported(stored)[:-1]))
    process.stdin.flush()
    wait_until(lambda: unfinished(folder), "the import has begun")
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_import_that_is_ended_leaves_nothing_that_a_later_file_would_take_for_its_own(
    tmp_path: Path, stored: Path, number: int
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    process = begun_import(stored, folder)
    process.send_signal(number)
    process.communicate(timeout=30)

    assert [name for name in names(folder) if name.startswith("new.db")] == []
    assert (unfinished(folder) == []) == (number != signal.SIGKILL)
    shutil.copyfile(stored, folder / "new.db")
    assert contents(folder / "new.db") == contents(stored)
    back_up(folder / "new.db", folder / "copy.db", replace=False, on_bytes=lambda done, total: None)
    assert unfinished(folder) == []


def test_an_import_into_an_existing_file_that_is_killed_leaves_the_file_and_a_log_that_is_known(
    tmp_path: Path, stored: Path
) -> None:
    database, log, lock = (tmp_path / f"new.db{suffix}" for suffix in ("", "-wal", "-lock"))
    with Sources(database, create=True) as sources:
        sources.add(Source("shop", "Shop"))
    lock.write_text("1\n1 NORMAL\n")  # as a server that was killed long ago has left it
    process = subprocess.Popen([TRACKD, "import", "-", "--db", database], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: lock.read_text().startswith(f"{process.pid}\n") and log.exists(), "the import has begun")
    wait_until(lambda: lock.read_text() == f"{process.pid}\n{log.stat().st_ino} FULL\n", "its log is noted")
    process.kill()
    process.communicate(timeout=30)

    assert noted_log(database) == NotedLog(is_copied=False, synchronous="FULL")
    import_lines(database, exported(stored))
    assert [name for name in names(tmp_path) if name.startswith("new.db")] == ["new.db"]
    assert contents(database)["event"] == contents(stored)["event"]


def test_an_import_on_a_full_disk_leaves_no_file(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "all.jsonl").write_bytes(b"".join(exported(stored)))
    script = f"ulimit -f 32; exec {TRACKD} import {tmp_path}/all.jsonl --db {folder}/new.db"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr.startswith(f"trackd: {folder}/new.db cannot be ")
    assert result.stderr.count("\n") == 1
    assert names(folder) == []


def test_side_files_that_a_missing_file_has_left_are_not_taken_over_by_an_import(tmp_path: Path, stored: Path) -> None:
    interrupted = tmp_path / "new.db"
    shutil.copyfile(stored, interrupted)
    interrupt(interrupted)
    interrupted.unlink()
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"new.db{suffix}").write_bytes(b"x" * 40_000)

    import_lines(interrupted, exported(stored))

    assert [name for name in names(tmp_path) if name.startswith("new.db")] == ["new.db"]
    assert contents(interrupted) == contents(stored)
