import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from trackd.storage.sqlite import lock as lock_module
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.lock import DatabaseLock

HOLD = """
import sys
from pathlib import Path
from trackd.storage.sqlite.lock import DatabaseLock
with DatabaseLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_server_is_refused_with_the_pid_that_holds_the_file(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"

    with DatabaseLock(database), pytest.raises(DatabaseError, match=rf"in use by another trackd \(pid {os.getpid()}\)"):
        DatabaseLock(database).__enter__()


def test_a_refused_second_server_leaves_the_first_its_lock(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"

    with DatabaseLock(database):
        for _ in range(3):
            with pytest.raises(DatabaseError, match=f"pid {os.getpid()}"):
                DatabaseLock(database).__enter__()


def test_the_file_is_free_once_its_holder_is_done(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"

    for _ in range(2):
        with DatabaseLock(database):
            pass


def test_the_file_is_free_when_its_server_stopped_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), DatabaseLock(tmp_path / "trackd.db"):
        raise ZeroDivisionError

    with DatabaseLock(tmp_path / "trackd.db"):
        pass


def test_a_killed_holder_leaves_no_lock_behind(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DatabaseError, match=f"pid {holder.pid}"):
            DatabaseLock(database).__enter__()
        holder.send_signal(signal.SIGKILL)
        holder.wait()

        with DatabaseLock(database), pytest.raises(DatabaseError, match=rf"pid {os.getpid()}\)"):
            DatabaseLock(database).__enter__()


def test_two_names_of_one_file_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "trackd.db")

    with DatabaseLock(tmp_path / "trackd.db"), pytest.raises(DatabaseError, match="in use"):
        DatabaseLock(tmp_path / "link.db").__enter__()


def test_two_files_are_locked_apart(tmp_path: Path) -> None:
    with DatabaseLock(tmp_path / "one.db"), DatabaseLock(tmp_path / "two.db"):
        pass


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"nowhere.*check that the folder exists"):
        DatabaseLock(tmp_path / "nowhere" / "trackd.db").__enter__()


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is a folder"):
        DatabaseLock(tmp_path).__enter__()


def test_the_lock_does_not_make_the_database(tmp_path: Path) -> None:
    with DatabaseLock(tmp_path / "trackd.db"):
        assert not (tmp_path / "trackd.db").exists()


def test_the_lock_makes_a_missing_database_on_request(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"
    with DatabaseLock(database, create=True) as lock:
        assert (lock.has_created, database.read_bytes(), stat.S_IMODE(database.stat().st_mode)) == (True, b"", 0o600)
    with DatabaseLock(database, create=True) as lock:
        assert not lock.has_created


def test_a_longer_pid_of_an_earlier_holder_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "trackd.db-lock").write_text("4194304000000\n")

    with DatabaseLock(tmp_path / "trackd.db"), pytest.raises(DatabaseError, match=rf"\(pid {os.getpid()}\)"):
        DatabaseLock(tmp_path / "trackd.db").__enter__()


def test_a_new_server_waits_for_the_last_batch_of_one_that_was_killed(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"
    orphan = """
import subprocess, sys
from pathlib import Path
from trackd.storage.sqlite.lock import DatabaseLock
with DatabaseLock(Path(sys.argv[1])) as lock:
    writer = [sys.executable, "-c", "import sys; sys.stdin.read(1)"]
    subprocess.Popen(writer, pass_fds=lock.descriptors, stdout=subprocess.DEVNULL)
"""
    holder = subprocess.Popen([sys.executable, "-c", orphan, str(database)], stdin=subprocess.PIPE)
    with holder:
        holder.wait()
        opened = []
        waiting = threading.Thread(target=lambda: opened.append(DatabaseLock(database).__enter__()))
        waiting.start()
        assert not opened
        assert holder.stdin
        holder.stdin.write(b"x")
        holder.stdin.flush()
        waiting.join(30)

    assert len(opened) == 1
    opened[0].__exit__(None, None, None)


def test_whether_a_lock_is_held_is_seen_without_taking_it(tmp_path: Path) -> None:
    database = tmp_path / "trackd.db"
    assert not DatabaseLock(database).is_held()
    assert list(tmp_path.iterdir()) == []
    with DatabaseLock(database):
        assert DatabaseLock(database).is_held()
        with pytest.raises(DatabaseError, match=f"pid {os.getpid()}"):
            DatabaseLock(database).__enter__()
    assert not DatabaseLock(database).is_held()


def test_the_lock_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with DatabaseLock(tmp_path / "trackd.db"):
            assert stat.S_IMODE((tmp_path / "trackd.db-lock").stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("target", ["precious", "nothing"])
def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "trackd.db-lock").symlink_to(target)
    lock = DatabaseLock(tmp_path / "trackd.db")

    for ask in (lock.__enter__, lock.is_held):
        with pytest.raises(DatabaseError, match=r"trackd\.db-lock is a symbolic link: remove it"):
            ask()

    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "nothing").exists()


def test_a_pipe_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trackd.db-lock")

    with pytest.raises(DatabaseError, match=r"trackd\.db-lock is not a file: remove it"):
        DatabaseLock(tmp_path / "trackd.db").__enter__()


def test_a_hard_link_in_place_of_the_lock_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "trackd.db-lock").hardlink_to(tmp_path / "precious")
    lock = DatabaseLock(tmp_path / "trackd.db")

    for ask in (lock.__enter__, lock.is_held):
        with pytest.raises(DatabaseError, match=r"trackd\.db-lock is a hard link: remove it"):
            ask()

    assert (tmp_path / "precious").read_text() == "precious"
    assert lock.descriptors == ()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "OTHER_NAME_TIMEOUT_S", 0)


def test_a_file_with_two_names_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "trackd.db").touch()
    (tmp_path / "other.db").hardlink_to(tmp_path / "trackd.db")

    for name in ("trackd.db", "other.db"):
        with pytest.raises(DatabaseError, match=rf"{name} cannot be used, the file has 2 names \(hard links\)"):
            DatabaseLock(tmp_path / name).__enter__()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("removed", ["trackd.db-lock", "trackd.db"])
def test_a_file_that_is_in_use_is_refused_after_its_name_or_its_lock_file_is_gone(tmp_path: Path, removed: str) -> None:
    database = tmp_path / "trackd.db"
    with DatabaseLock(database, create=True):
        second = database
        if removed == database.name:
            second = database.rename(tmp_path / "moved.db")
        else:
            (tmp_path / removed).unlink()

        for ask in (DatabaseLock(second).__enter__, DatabaseLock(second).check_free_elsewhere):
            with pytest.raises(DatabaseError, match=rf"{second.name} is in use by another .* under another name"):
                ask()

    DatabaseLock(second).check_free_elsewhere()
    with DatabaseLock(second):
        DatabaseLock(second).check_free_elsewhere()


def test_a_file_without_a_lock_or_that_does_not_exist_is_free(tmp_path: Path) -> None:
    for _ in range(2):
        DatabaseLock(tmp_path / "trackd.db").check_free_elsewhere()
        (tmp_path / "trackd.db").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["trackd.db"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("missing", ["trackd.db-wal", "trackd.db-shm"])
def test_a_log_or_an_index_that_a_server_lost_is_not_made_again(tmp_path: Path, missing: str) -> None:
    lock = DatabaseLock(tmp_path / "trackd.db")
    with DatabaseLock(tmp_path / "trackd.db"):
        lock.check_free_elsewhere()
        for name in ("trackd.db-wal", "trackd.db-shm"):
            (tmp_path / name).touch()
        lock.check_free_elsewhere()
        (tmp_path / missing).unlink()
        with pytest.raises(DatabaseError, match=rf"is in use by a trackd, and {missing} beside it is missing: wait"):
            lock.check_free_elsewhere()
    lock.check_free_elsewhere()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)

    with pytest.raises(DatabaseError, match=r"trackd\.db cannot be locked \(No locks available\): move it to"):
        DatabaseLock(tmp_path / "trackd.db").__enter__()
    (tmp_path / "backup.db").touch()
    DatabaseLock(tmp_path / "backup.db").check_free_elsewhere()  # no server can run there


def test_where_the_lock_of_the_file_excludes_those_of_sqlite_only_the_other_one_is_held(tmp_path: Path) -> None:
    """As on NFS. Here another process has a lock of SQLite's kind, on a byte that SQLite never locks."""
    database = tmp_path / "trackd.db"
    database.touch()
    hold = """
import fcntl, sys
with open(sys.argv[1], "r+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 1)
    print(flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", hold, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdin
        other.stdout.readline()
        with DatabaseLock(database), database.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with pytest.raises(DatabaseError, match="in use by another trackd"):
                DatabaseLock(database).__enter__()
        other.stdin.close()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_database_that_is_no_file_is_not_locked(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "trackd.db")

    with pytest.raises(DatabaseError, match=r"trackd\.db cannot be used, it is "):
        DatabaseLock(tmp_path / "trackd.db").__enter__()
