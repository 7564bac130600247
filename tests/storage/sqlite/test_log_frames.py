import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from apsw import Connection

from trackd.storage.sqlite.connection import connect_for_writing
from trackd.storage.sqlite.log_frames import LogFrames, log_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.db"


@pytest.fixture
def db(file: Path) -> Iterator[Connection]:
    """A connection to a file whose log has four commits."""
    with contextlib.closing(connect_for_writing(file, mode="rwc")) as connection:
        connection.execute("CREATE TABLE t (x)")
        for _ in range(3):
            connection.execute("INSERT INTO t VALUES (zeroblob(10000))")
        yield connection


def is_chained(log: LogFrames) -> bool:
    assert log.header
    before = log.header.checksum
    for frame in log.frames():
        if log.checksum(frame.number, before) != frame.checksum:
            return False
        before = frame.checksum
    return True


def test_the_frames_of_a_log_have_its_salts_and_the_checksums_that_sqlite_gave_them(file: Path, db: Connection) -> None:
    with LogFrames(file) as log:
        assert log.header
        assert (log.header.is_sound, log.header.page_size) == (True, 4096)
        frames = list(log.frames())
        assert {frame.salts for frame in frames} == {log.header.salts}
        assert sum(frame.ends_commit for frame in frames) == 4
        assert frames[-1].database_pages == db.pragma("page_count")
        assert is_chained(log)


def test_pages_of_the_log_are_those_of_the_database_after_a_checkpoint(file: Path, db: Connection) -> None:
    with LogFrames(file) as log:
        newest = {frame.page: log.page(frame.number) for frame in log.frames()}
        db.wal_checkpoint()
        assert b"".join(newest[page] for page in sorted(newest)) == file.read_bytes()


@pytest.mark.parametrize("place", [0, 3, 6, 9, 20, 29])
def test_a_flipped_bit_in_the_header_is_noticed_and_the_frames_are_read_all_the_same(
    file: Path, db: Connection, place: int
) -> None:
    before = log_of(file).read_bytes()
    log_of(file).write_bytes(before[:place] + bytes([before[place] ^ 4]) + before[place + 1 :])

    with LogFrames(file, page_size=4096) as log:
        assert log.header
        assert not log.header.is_sound
        assert sum(frame.ends_commit for frame in log.frames()) == 4


def test_a_flipped_bit_in_a_frame_breaks_the_chain(file: Path, db: Connection) -> None:
    before = log_of(file).read_bytes()
    log_of(file).write_bytes(before[:9000] + bytes([before[9000] ^ 1]) + before[9001:])

    with LogFrames(file) as log:
        assert not is_chained(log)


def test_a_missing_and_an_empty_log_have_no_frames(file: Path) -> None:
    for content in (None, b"", b"x" * 31):
        if content is not None:
            log_of(file).write_bytes(content)
        with LogFrames(file) as log:
            assert log.header is None
            assert list(log.frames()) == []


def test_the_log_of_a_link_is_that_of_its_target(tmp_path: Path, file: Path, db: Connection) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(file)

    with LogFrames(link) as log:
        assert len(log) > 0
