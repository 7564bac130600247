import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.exports import contents
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.transfer.backup_folder import back_up_into

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def kept(path: Path, folder: Path, keep: int, *hours: float) -> list[str]:
    """Back up at these times, and return the names in the folder."""
    for hour in hours:
        back_up_into(
            path,
            folder,
            keep=keep,
            on_bytes=lambda done, total: None,
            now=lambda hour=hour: NOON + timedelta(hours=hour),  # type: ignore[misc]
        )
    return sorted(file.name for file in folder.iterdir())


def test_the_newest_copies_are_kept(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"

    assert kept(stored, folder, 2, 0) == ["stored-20260131T120000Z.db"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept(stored, folder, 2, 1, 2) == ["stored-20260131T130000Z.db", "stored-20260131T140000Z.db"]
    assert kept(stored, folder, 1, 3) == ["stored-20260131T150000Z.db"]
    assert contents(folder / "stored-20260131T150000Z.db") == contents(stored)


def test_copies_of_the_same_second_have_numbers(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"
    time = "stored-20260131T120000Z"
    assert kept(stored, folder, 20, *[0] * 3) == [f"{time}-2.db", f"{time}-3.db", f"{time}.db"]
    assert len(kept(stored, folder, 20, *[0] * 8)) == 11
    assert kept(stored, folder, 2, 0) == [f"{time}-11.db", f"{time}-12.db"]


def test_other_files_and_copies_of_other_databases_stay(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    others = ["notes.txt", "other-20200101T000000Z.db", "stored-old.db", "stored.db", "stored-20200101T000000Z.db.gz"]
    for name in others:
        (folder / name).touch()
    assert kept(stored, folder, 1, 0, 1) == sorted([*others, "stored-20260131T130000Z.db"])


def test_the_side_files_of_a_removed_copy_are_removed_too(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"
    kept(stored, folder, 1, 0)
    for suffix in ("-wal", "-shm"):
        (folder / f"stored-20260131T120000Z.db{suffix}").touch()
    assert kept(stored, folder, 1, 1) == ["stored-20260131T130000Z.db"]


def test_a_damaged_file_takes_the_place_of_no_copy(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"
    before = kept(stored, folder, 2, 0, 1)
    with stored.open("r+b") as file:
        file.seek(stored.stat().st_size // 8192 * 4096)
        file.write(b"x" * 4096)

    with pytest.raises(DatabaseError, match="is damaged"):
        kept(stored, folder, 1, 2)

    assert sorted(file.name for file in folder.iterdir()) == before


def test_an_empty_file_takes_the_place_of_no_copy_that_has_something(tmp_path: Path, stored: Path) -> None:
    from trackd.storage.sqlite.store import SqliteStore

    folder = tmp_path / "copies"
    before = kept(stored, folder, 2, 0, 1)
    stored.unlink()
    SqliteStore(stored).close()

    with pytest.raises(DatabaseError, match=r"has no profile and no event, and .*20260131T130000Z.db has 2 and 5"):
        kept(stored, folder, 2, 2)

    assert sorted(file.name for file in folder.iterdir()) == before


def test_copies_made_while_the_clock_was_ahead_are_the_first_to_go(tmp_path: Path, stored: Path) -> None:
    folder = tmp_path / "copies"
    ten_years = 24 * 3653
    kept(stored, folder, 3, 0, ten_years, ten_years + 1)

    assert kept(stored, folder, 3, 1) == [
        "stored-20260131T120000Z.db",
        "stored-20260131T130000Z.db",
        "stored-20360201T130000Z.db",
    ]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, stored: Path) -> None:
    shutil.copyfile(stored, tmp_path / "file")
    for folder in (tmp_path / "no" / "copies", tmp_path / "file" / "copies"):
        with pytest.raises(DatabaseError, match=r"copies cannot be written \((No such file|Not a directory)"):
            kept(stored, folder, 1, 0)
