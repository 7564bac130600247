"""The end of a log after a power loss, after damage, and while another connection writes it."""

import contextlib
import logging
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import rows
from trackd.storage.sqlite.connection import DatabaseError, connect_for_writing
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_frames import HEADER, LogFrames, log_of
from trackd.storage.sqlite.log_tail import LogTail, check_tail, drop_damaged_commits, read_tail, settle_tail

COMMITS = 12


def make_file(folder: Path) -> Path:
    """A file as a kill leaves it: its log has COMMITS commits, each of a row and of one to three pages."""
    folder.mkdir()
    running, file = folder / "running.db", folder / "t.db"
    with contextlib.closing(connect_for_writing(running, mode="rwc")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.wal_checkpoint(mode=3)  # TRUNCATE
        for number in range(COMMITS):
            connection.execute("INSERT INTO t VALUES (zeroblob(?))", (4_000 * (number % 3),))
        for source, target in ((running, file), (log_of(running), log_of(file))):
            shutil.copyfile(source, target)
    return file


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_file(tmp_path_factory.mktemp("log") / "original")


@pytest.fixture
def file(original: Path, tmp_path: Path) -> Path:
    return copied(original, tmp_path)


def copied(original: Path, folder: Path) -> Path:
    for name in ("t.db", "t.db-wal"):
        shutil.copyfile(original.with_name(name), folder / name)
    (folder / "t.db-shm").unlink(missing_ok=True)
    return folder / "t.db"


def flip(path: Path, place: int, bit: int = 0) -> None:
    with path.open("rb+") as file:
        file.seek(place)
        before = file.read(1)[0]
        file.seek(place)
        file.write(bytes([before ^ 1 << bit]))


def zero(path: Path, place: int, size: int) -> None:
    with path.open("rb+") as file:
        file.seek(place)
        file.write(bytes(size))


def ends_of_commits(file: Path) -> list[int]:
    """The numbers of the frames that end commits."""
    with LogFrames(file) as frames:
        return [frame.number for frame in frames.frames() if frame.ends_commit]


def offset(file: Path, frame: int) -> int:
    with LogFrames(file) as frames:
        return frames.offset(frame)


def readable_rows(file: Path) -> int:
    return len(rows(file, "SELECT 1 FROM t"))


def test_a_sound_log_has_no_tail(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = log_of(file).read_bytes()
    check_tail(file)
    settle_tail(file, "FULL")

    assert read_tail(file).commits == 0
    assert log_of(file).read_bytes() == before
    assert caplog.records == []


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_damage_when_it_hides_more_than_one_commit(
    original: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    file = copied(original, tmp_path_factory.mktemp("flipped"))
    flip(log_of(file), int(place * log_of(file).stat().st_size), bit)

    tail = read_tail(file)  # SQLite itself drops the log behind the flip when it is read
    hidden = COMMITS - readable_rows(file)

    assert hidden - 1 <= tail.commits <= hidden, "a flip may hit the mark of a commit"
    assert tail.is_damage or hidden <= 2
    assert not tail.is_damage or hidden >= 1


def test_damage_of_the_log_is_refused_with_what_is_lost_and_what_to_do(file: Path) -> None:
    fifth = ends_of_commits(file)[4]
    flip(log_of(file), offset(file, fifth) + 1000)

    for check in (check_tail, lambda path: settle_tail(path, "FULL")):
        with pytest.raises(DatabaseError) as refused:
            check(file)

    assert f"{file}-wal is damaged: 8 commits behind its frame " in str(refused.value)
    assert "--accept-damaged-log" in str(refused.value)


def test_with_normal_the_commits_are_counted_and_logged(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    flip(log_of(file), offset(file, ends_of_commits(file)[4]) + 1000)

    settle_tail(file, "NORMAL")

    assert caplog.messages == [
        "8 commits at the end of the write-ahead log cannot be read, as after a power loss: dropped"
    ]
    assert read_tail(file).commits == 0
    assert readable_rows(file) == 4


def test_a_commit_that_a_power_loss_tore_is_no_damage(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    last_page = offset(file, ends_of_commits(file)[-1]) + 24
    zero(log_of(file), last_page, 4096)

    assert read_tail(file).commits == 1
    settle_tail(file, "FULL")

    assert read_tail(file).commits == 0
    assert caplog.messages[0].startswith("1 commit at the end of the write-ahead log cannot be read")
    assert readable_rows(file) == COMMITS - 1


def test_a_command_that_finds_the_server_at_work_does_not_judge_its_log(file: Path) -> None:
    flip(log_of(file), offset(file, ends_of_commits(file)[4]) + 1000)

    with DatabaseLock(file):
        check_tail(file)


def test_a_block_of_zeros_over_a_commit_is_damage(file: Path) -> None:
    sixth = ends_of_commits(file)[5]
    zero(log_of(file), offset(file, sixth) // 4096 * 4096, 4096)

    assert read_tail(file).is_damage


@pytest.mark.parametrize("place", [0, 4, 8, 16, 20, 24])
def test_damage_of_the_header_hides_the_whole_log(file: Path, place: int) -> None:
    flip(log_of(file), place)

    tail = read_tail(file)

    assert (tail.end, tail.commits, tail.is_damage) == (0, COMMITS, True)
    for synchronous in ("FULL", "NORMAL"):  # with both the header is synced before the first commit
        with pytest.raises(DatabaseError, match=f"{COMMITS} commits behind its frame 0 cannot be read"):
            settle_tail(file, synchronous)


def test_the_checksums_of_a_long_transaction_that_a_kill_interrupted_are_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(connect_for_writing(tmp_path / "t.db", mode="rwc")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA cache_size = 5")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (zeroblob(1000000))")
        shutil.copyfile(tmp_path / "t.db", tmp_path / "killed.db")
        shutil.copyfile(tmp_path / "t.db-wal", tmp_path / "killed.db-wal")
    with LogFrames(tmp_path / "killed.db") as frames:
        assert len(frames) > 200
    monkeypatch.delattr(LogFrames, "checksum")

    tail = read_tail(tmp_path / "killed.db")

    assert (tail.commits, tail.is_damage) == (0, False)


def test_frames_of_an_earlier_log_are_no_damage(original: Path, tmp_path: Path) -> None:
    """A log that begins anew overwrites the frames from its begin: those behind its end are in the file already."""
    with contextlib.closing(connect_for_writing(tmp_path / "t.db", mode="rwc")) as connection:
        connection.execute("CREATE TABLE t (x)")
        for _ in range(5):
            connection.execute("INSERT INTO t VALUES (1)")
        connection.wal_checkpoint(mode=1)  # FULL
        connection.execute("INSERT INTO t VALUES (2)")
        assert len(ends_of_commits(tmp_path / "t.db")) > 1

        assert read_tail(tmp_path / "t.db") == LogTail(1, 0, False, offset(tmp_path / "t.db", 2))


def test_a_header_that_was_torn_when_the_log_began_anew_is_no_damage(file: Path) -> None:
    with log_of(file).open("rb+") as log:
        _, _, _, _, first, second, *_ = HEADER.unpack(log.read(HEADER.size))
        log.seek(16)
        log.write((first + 1).to_bytes(4) + (second ^ 12345).to_bytes(4))

    assert read_tail(file).commits == 0


def test_what_two_power_losses_left_is_no_damage(file: Path) -> None:
    """Each left a torn commit; the commits that followed the first one have overwritten its begin."""
    *_, before, last = ends_of_commits(file)
    zero(log_of(file), offset(file, last) + 24, 100)
    with LogFrames(file) as frames:
        torn = log_of(file).read_bytes()[frames.offset(before + 1) :]
    with log_of(file).open("ab") as log:
        log.write(torn)  # stands for the older one

    tail = read_tail(file)

    assert (tail.commits, tail.is_damage) == (2, False)


def test_the_log_of_a_connection_that_writes_has_no_tail(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    with contextlib.closing(connect_for_writing(file, mode="rwc")) as connection:
        connection.execute("CREATE TABLE t (x)")
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
            assert read_tail(file).commits == 0
            assert read_tail(file).end == ends_of_commits(file)[-1]


def test_dropping_keeps_the_readable_commits_and_a_copy(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    fifth = ends_of_commits(file)[4]
    flip(log_of(file), offset(file, fifth) + 1000)
    damaged = log_of(file).read_bytes()

    drop_damaged_commits(file)
    check_tail(file)

    assert readable_rows(file) == 4
    [copy] = file.parent.glob("t.db-wal-damaged-*")
    assert copy.read_bytes() == damaged
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "8 commits of the write-ahead log are dropped" in caplog.text
    assert str(copy) in caplog.text


def test_a_sound_log_is_not_dropped(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = log_of(file).read_bytes()

    with caplog.at_level(logging.INFO):
        drop_damaged_commits(file)

    assert log_of(file).read_bytes() == before
    assert "nothing of it is dropped" in caplog.text


def test_a_log_that_cannot_be_read_is_refused_with_a_sentence(file: Path) -> None:
    log_of(file).unlink()
    log_of(file).mkdir()

    with pytest.raises(DatabaseError, match="cannot be used"):
        read_tail(file)


def test_a_command_takes_what_a_power_loss_left_of_a_server_with_normal(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip(log_of(file), offset(file, ends_of_commits(file)[4]) + 1000)
    with DatabaseLock(file) as lock:
        lock.note_log("FULL")
    with pytest.raises(DatabaseError, match="is damaged: "):
        check_tail(file)
    with DatabaseLock(file) as lock:
        lock.note_log("NORMAL")
    check_tail(file)
    assert caplog.messages == [
        "8 commits at the end of the write-ahead log cannot be read, as after a power loss: dropped"
    ]
    flip(log_of(file), 10)
    with pytest.raises(DatabaseError, match="is damaged: "):
        check_tail(file)
