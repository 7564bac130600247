import shutil
from pathlib import Path

import pytest

from tests.support.database import open_database
from tests.support.making import Make
from tests.support.polling import wait_until
from trackd.storage.errors import StoreError
from trackd.storage.sqlite import soundness
from trackd.storage.sqlite.checks_in_parts import ChecksInParts
from trackd.storage.sqlite.soundness import BackgroundCheck, UnsoundError, check_after_unclean_end
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A file with a log, as a kill leaves it. Most of its pages are in the file."""
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    for number in range(50):
        store.commit([Make.change(f"p-{number}-{each}", events=5) for each in range(10)])
    store.close()
    store = SqliteStore(path)
    store.commit([Make.change("last", events=1)])
    folder = tmp_path / "killed"
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy2(f"{path}{suffix}", folder / f"trackd.db{suffix}")
    store.close()
    return folder / "trackd.db"


def overwrite(path: Path, pages: range) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(b"x" * 4096)


def test_a_sound_file_passes(killed: Path) -> None:
    assert check_after_unclean_end(killed) == []


def test_a_damaged_file_is_refused_and_nothing_is_changed(killed: Path) -> None:
    pages = killed.stat().st_size // 4096
    overwrite(killed, range(pages // 2, pages // 2 + 20))
    before = [Path(f"{killed}{suffix}").read_bytes() for suffix in ("", "-wal")]

    with pytest.raises(UnsoundError, match=r"is damaged \(.+\): put a backup in its place with `trackd restore BACKUP"):
        check_after_unclean_end(killed)

    assert [Path(f"{killed}{suffix}").read_bytes() for suffix in ("", "-wal")] == before


def test_a_file_with_several_faults_is_refused_with_the_first(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=1, session="S")])
    store.close()
    with open_database(path) as db:
        root = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'session_by_profile'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096 + 3)
        file.write(b"\x00\x00")  # an index without entries
    Path(f"{path}-wal").touch()  # as after a kill

    with pytest.raises(UnsoundError, match=r"is damaged, and no row \(session: .+\): stop the server"):
        check_after_unclean_end(path)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "WITHIN_S", 0)


@pytest.mark.usefixtures("no_time")
def test_what_is_not_done_in_time_is_left_for_later_the_largest_table_last(killed: Path) -> None:
    left = check_after_unclean_end(killed)
    assert left[-4:] == ["profile", "session", "event_id", "event"]

    later = BackgroundCheck(killed, left)
    later._thread.join()
    assert later.fault is None
    later.stop()

    pages = killed.stat().st_size // 4096
    overwrite(killed, range(pages // 2, pages // 2 + 20))
    later = BackgroundCheck(killed, left)
    later._thread.join()
    assert "is damaged" in str(later.fault)
    later.stop()


@pytest.mark.usefixtures("no_time")
def test_a_store_is_not_ready_once_the_check_has_found_damage(killed: Path) -> None:
    pages = killed.stat().st_size // 4096
    overwrite(killed, range(pages // 2, pages // 2 + 20))
    store = SqliteStore(killed)

    def found() -> str | None:
        try:
            store.check()
        except StoreError as error:
            return str(error)
        return None

    assert "is damaged" in wait_until(found, "the check finds the damage")
    store.close_and_keep_log()


@pytest.mark.usefixtures("no_time")
def test_a_check_can_be_stopped(killed: Path) -> None:
    BackgroundCheck(killed, check_after_unclean_end(killed)).stop()
    BackgroundCheck(killed, []).stop()


@pytest.mark.usefixtures("no_time")
def test_the_tables_that_a_check_left_are_named(
    killed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ChecksInParts, "run", lambda self, tables: ["event"])
    check = BackgroundCheck(killed, ["event"])
    check._thread.join()
    assert "`trackd verify` checks the tables that are left (event)" in caplog.text


def test_a_file_that_was_closed_properly_is_not_read(killed: Path) -> None:
    SqliteStore(killed).close()
    pages = killed.stat().st_size // 4096
    overwrite(killed, range(pages // 2, pages // 2 + 20))
    assert check_after_unclean_end(killed) == []


def test_one_damaged_row_does_not_refuse_the_start(killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It fails its own calls. In the head of the row its document becomes longer than the row."""
    document = killed.read_bytes().rindex(b'{"id":"p-7-7"')
    with killed.open("r+b") as file:
        file.seek(document - len("p-7-7") - 5)
        file.write(b"\x8f")

    check_after_unclean_end(killed)

    assert "a row of profile cannot be read as it should" in caplog.text


def test_a_file_whose_server_was_killed_after_its_log_was_copied_is_checked_too(killed: Path) -> None:
    SqliteStore(killed).close()
    Path(f"{killed}-wal").touch()
    pages = killed.stat().st_size // 4096
    overwrite(killed, range(pages // 2, pages // 2 + 20))
    with pytest.raises(UnsoundError):
        check_after_unclean_end(killed)
