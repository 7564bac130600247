import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

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
    subprocess.Popen(writer, pass_fds=[lock.descriptor], stdout=subprocess.DEVNULL)
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
