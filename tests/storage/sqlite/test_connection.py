"""Connections: the sentences for SQLite's errors, and the begin of a log."""

import contextlib
import os
import resource
from pathlib import Path

import apsw
import pytest

from trackd.storage.sqlite.connection import DatabaseError, connect, connect_for_writing, database_errors


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT * FROM missing", "trackd.db cannot be used: no such table: missing."),
        (None, "trackd.db cannot be used: The connection has been closed."),
    ],
)
def test_an_error_of_sqlite_becomes_a_sentence_with_one_dot(
    tmp_path: Path, statement: str | None, sentence: str
) -> None:
    connection = connect(tmp_path / "trackd.db", mode="rwc")
    if statement is None:
        connection.close()

    with pytest.raises(DatabaseError) as raised, database_errors(tmp_path / "trackd.db"):
        connection.execute(statement or "SELECT 1")

    assert str(raised.value) == f"{tmp_path}/{sentence}"
    connection.close()


class WatchedFiles(apsw.VFS):
    """The usual files, and a list of the removed ones, each with whether its folder is synced."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, bool]] = []
        super().__init__("watched", "", makedefault=True)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  SQLite's name
        self.removed.append((Path(filename).name, bool(syncdir)))
        super().xDelete(filename, syncdir)


def test_the_journal_with_which_a_log_begins_does_not_come_back_after_a_power_loss(tmp_path: Path) -> None:
    with contextlib.closing(apsw.Connection(str(tmp_path / "copy.db"))) as connection:
        connection.execute("CREATE TABLE t (a)")
    files = WatchedFiles()
    try:
        with contextlib.closing(connect_for_writing(tmp_path / "copy.db")) as connection:
            assert connection.pragma("synchronous") == 2
            assert ("copy.db-journal", True) in files.removed
    finally:
        files.unregister()


def test_connections_that_write_sync_to_the_medium_on_macos_too(tmp_path: Path) -> None:
    with contextlib.closing(connect_for_writing(tmp_path / "trackd.db", mode="rwc")) as connection:
        assert (connection.pragma("fullfsync"), connection.pragma("checkpoint_fullfsync")) == (1, 1)
    with contextlib.closing(connect(tmp_path / "trackd.db", mode="rw")) as connection:
        assert (connection.pragma("fullfsync"), connection.pragma("checkpoint_fullfsync")) == (1, 1)


def test_a_limit_of_open_files_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    connect(path, mode="rwc").close()
    next_descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(next_descriptor)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_descriptor + 1, before[1]))
    try:
        with pytest.raises(DatabaseError) as raised, database_errors(path):
            connect_for_writing(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert str(raised.value) == (
        f"{path} cannot be opened (Too many open files): allow more open files (`ulimit -n`, LimitNOFILE)."
    )
