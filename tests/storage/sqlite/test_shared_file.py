"""A file that a command changes without a server: its log is copied, or it stays and that is logged."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exports import contents, exported, import_lines
from tests.support.faulty_disk import FaultyDisk, install
from trackd.core.documents import Source
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FaultyDisk]:
    SqliteStore(tmp_path / "trackd.db").close()
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    disk.record()
    vfs = install(str(tmp_path / "disk"))
    yield disk
    vfs.unregister()


def add(disk: FaultyDisk, source_id: str) -> None:
    with Sources(disk.path) as sources:
        sources.add(Source(source_id, source_id))


def after_power_loss(disk: FaultyDisk) -> list[str]:
    image = disk.path.with_name("image.db")
    for file in image.parent.glob("image.db*"):
        file.unlink()
    disk.power_loss(image)
    with Sources(image, read_only=True) as sources:
        return [source.id for source in sources.all()]


def test_a_command_without_a_server_leaves_one_file(disk: FaultyDisk) -> None:
    add(disk, "a")
    assert not Path(f"{disk.path}-wal").exists()
    assert after_power_loss(disk) == ["a"]


@pytest.mark.parametrize(("file", "operation"), [("database", "sync"), ("database", "write"), ("log", "write")])
def test_a_log_that_cannot_be_copied_stays_and_that_is_logged(
    disk: FaultyDisk, caplog: pytest.LogCaptureFixture, file: str, operation: str
) -> None:
    sources = Sources(disk.path)
    sources.add(Source("a", "a"))
    disk.fail(file, operation)  # type: ignore[arg-type]
    sources._file.close()
    [line] = caplog.messages
    assert line.startswith("the write-ahead log stays beside the file and belongs to it, it cannot be copied: ")
    assert Path(f"{disk.path}-wal").stat().st_size > 0
    assert after_power_loss(disk) == ["a"]
    add(disk, "b")
    assert not Path(f"{disk.path}-wal").exists()
    assert after_power_loss(disk) == ["a", "b"]


def test_while_a_server_has_the_file_its_log_is_left_to_it(disk: FaultyDisk) -> None:
    with DatabaseLock(disk.path):
        add(disk, "a")
        assert Path(f"{disk.path}-wal").stat().st_size > 0


def test_an_import_into_the_file_copies_its_log_too(
    disk: FaultyDisk, stored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = exported(stored)
    disk.fail("database", "sync")
    import_lines(disk.path, lines)
    assert caplog.messages[0].startswith("the write-ahead log stays beside the file and belongs to it, it cannot be")
    assert Path(f"{disk.path}-wal").stat().st_size > 0
    add(disk, "a")
    assert after_power_loss(disk) == ["a"]
    assert contents(disk.path.with_name("image.db")) == contents(stored)
