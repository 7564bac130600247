"""A second name of a database file that a server uses: SQLite would keep a second log there."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.process import Process
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.lock import DatabaseLock

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]


def locks_of_sqlite(db: Path) -> set[int]:
    """The processes that hold a lock of SQLite's kind on the file."""
    found = re.findall(rf"POSIX +ADVISORY +READ +(\d+) \w+:\w+:{db.stat().st_ino} ", Path("/proc/locks").read_text())
    return set(map(int, found))


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs the kernel's list of locks")
def test_while_a_server_runs_no_command_uses_its_file_under_a_second_name(
    trackd: Trackd, sentence: Sentence, serve: Callable[..., Process], tmp_path: Path
) -> None:
    server = serve(source=False)  # it makes a source and a token, on connections of its own
    before = locks_of_sqlite(server.db)
    assert before == {server.process.pid, server.writer_pid()}
    other = tmp_path / "other.db"
    other.hardlink_to(server.db)

    for command in (["serve", "--port", "0"], ["source", "add", "--name", "lost"]):
        message = sentence(trackd(*command, "--db", "other.db"), 1)
        assert re.match(r"other\.db (cannot be used, the file has 2 names|is in use by another trackd, )", message)
    server.db.unlink()
    for command in (["serve", "--port", "0"], ["backup", "copy.db"]):
        message = sentence(trackd(*command, "--db", "other.db"), 1)
        assert message.startswith("other.db is in use by another trackd, which has it open under another name ")

    assert locks_of_sqlite(other) == before
    assert not {"other.db-wal", "copy.db"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "command", ["token list", "profile show P", "rules apply", "verify", "import export", "retention confirm"]
)
def test_a_file_that_is_in_use_under_another_name_is_refused(
    trackd: Trackd, sentence: Sentence, tmp_path: Path, command: str
) -> None:
    (tmp_path / "export").touch()
    open_for_writing(tmp_path / "trackd.db").close()
    with DatabaseLock(tmp_path / "trackd.db"):
        (tmp_path / "trackd.db").rename(tmp_path / "other.db")
        message = sentence(trackd(*command.split(), "--db", "other.db"), 1)
    assert message.startswith("other.db is in use by another trackd, which has it open under another name ")
    assert {path.name for path in tmp_path.iterdir()} == {"export", "other.db", "trackd.db-lock"}


def test_without_a_server_a_file_with_two_names_is_read_and_not_written(
    trackd: Trackd, sentence: Sentence, tmp_path: Path
) -> None:
    open_for_writing(tmp_path / "trackd.db").close()
    (tmp_path / "other.db").hardlink_to(tmp_path / "trackd.db")

    message = sentence(trackd("source", "add", "--name", "two", "--db", "other.db"), 1)
    assert message.startswith("other.db cannot be used, the file has 2 names (hard links), ")
    assert trackd("verify", "--db", "other.db").returncode == 0
    assert trackd("backup", "copy.db", "--db", "other.db").returncode == 0
