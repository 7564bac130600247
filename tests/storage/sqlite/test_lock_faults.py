"""Faults of the lock: one sentence that names the lock, and what to do."""

import resource
from pathlib import Path

import pytest

from tests.support.unprivileged import folder_for_all, without_privileges
from trackd.storage.sqlite import lock as lock_module
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock


def test_a_lock_that_a_process_of_a_dead_holder_keeps_is_not_blamed_on_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "trackd.db"
    with DatabaseLock(database):
        (tmp_path / "trackd.db-lock").write_text("4194305\n")  # larger than any pid
        monkeypatch.setattr(lock_module, "LAST_BATCH_TIMEOUT_S", 0)
        with pytest.raises(DatabaseInUseError) as refused:
            DatabaseLock(database).__enter__()
    assert str(refused.value) == (
        f"{database} is in use by a trackd in another container, or by a process of one that has ended (pid 4194305): "
        f"stop it, `fuser {database}-lock` shows its own pid, or name another file with --db."
    )


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(DatabaseError, match=r"trackd\.db-lock cannot be written \(File too large\): allow larger"):
            DatabaseLock(tmp_path / "trackd.db").__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_lock_that_cannot_be_opened_is_named_and_not_its_folder() -> None:
    with folder_for_all() as folder:
        lock = folder / "trackd.db-lock"
        lock.touch()
        lock.chmod(0)
        with without_privileges(), pytest.raises(DatabaseError) as refused:
            DatabaseLock(folder / "trackd.db").__enter__()
        assert f"(Permission denied: {lock}): check that this user may write to it" in str(refused.value)


def test_a_folder_in_place_of_the_lock_is_named(tmp_path: Path) -> None:
    (tmp_path / "trackd.db-lock").mkdir()
    with pytest.raises(DatabaseError, match=r"trackd\.db-lock is a folder: remove it"):
        DatabaseLock(tmp_path / "trackd.db").__enter__()


@pytest.mark.parametrize(("name", "reason"), [("loop", "Too many levels"), ("x" * 300, "File name too long")])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DatabaseError, match=rf"cannot be used \({reason}.*\): name another file with --db"):
        DatabaseLock(tmp_path / name)
