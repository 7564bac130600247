"""Events are followed into files: each once, whatever ends a file or the follower."""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.storage.sqlite.test_retention import arrived
from tests.support.database import execute
from tests.support.making import Make
from trackd.core.changes import Erasure, Fence
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer import following
from trackd.storage.transfer.exporting import AnyExport, Export, Part
from trackd.storage.transfer.following import Follower, FollowError
from trackd.storage.transfer.records import EventRecord

THREE, FOUR = "2026-01-31T03:59:59.000000Z", "2026-01-31T04:00:00.000000Z"


class Clock:
    """The time of day of 2026-01-31, which a test moves."""

    def __init__(self) -> None:
        self.time = "03:59:00"

    def now(self) -> datetime:
        return datetime.fromisoformat(f"2026-01-31T{self.time}").replace(tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with contextlib.closing(SqliteStore(tmp_path / "trackd.db")) as store:
        yield store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


def write_ids(source: AnyExport, part: Part, file: BinaryIO) -> None:
    file.writelines(f"{row[1]}\n".encode() for row in source.rows(EventRecord, part))


def follower(folder: Path, since: str | None = None, write: following.Write = write_ids) -> Follower:
    path = folder.with_name("trackd.db")
    return Follower(str(path), lambda: Export(path, older="refuse"), folder, ".txt", write, since)


def followed(folder: Path, clock: Clock, **options: Any) -> list[str]:
    """The names of the files of one round, without a wait for more events."""
    stop = threading.Event()
    stop.set()
    with follower(folder, **options) as each:
        return [file.name for file in each.files(stop, clock.now)]


def content(folder: Path) -> dict[str, list[str]]:
    return {file.name: file.read_text().split() for file in sorted(folder.iterdir())}


def test_a_stop_writes_what_is_left_and_the_next_start_continues_there(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=2)])
    assert followed(folder, clock) == ["event-000000000001-000000000002.txt"]
    assert followed(folder, clock) == []

    store.commit([make.change("A", (2, 1), events=1)])
    assert followed(folder, clock) == ["event-000000000003-000000000003.txt"]
    assert list(content(folder).values()) == [["A-1", "A-2"], ["A-3"]]


def test_a_file_ends_with_its_hour_of_arrival_and_with_its_number_of_events(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MAX_EVENTS", 3)
    store.commit([arrived(make, "A", [THREE, THREE, FOUR, THREE, FOUR, FOUR])])
    stop = threading.Event()

    with follower(folder) as each:
        files = each.files(stop, clock.now)
        assert [next(files).read_text().split() for _ in range(2)] == [["A-1", "A-2"], ["A-3", "A-4", "A-5"]]
        stop.set()
        assert [file.read_text().split() for file in files] == [["A-6"]]


def test_a_file_ends_shortly_after_its_hour_though_no_event_follows(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 0)
    store.commit([arrived(make, "A", [THREE])])
    times = iter(["03:59:59", "03:59:59", "04:00:01", "04:00:09", "04:00:10"])

    def now() -> datetime:
        clock.time = next(times)
        return clock.now()

    with follower(folder) as each:
        assert next(each.files(threading.Event(), now)).read_text() == "A-1\n"
    assert list(times) == []


def test_events_that_are_deleted_before_they_are_written_leave_no_gap_and_no_event_is_missed(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=2), make.change("B", events=2)])
    store.commit([Erasure(Fence("B", 2, 1), "then")])
    followed(folder, clock)
    store.commit([Erasure(Fence("A", 2, 1), "then"), make.change("C", events=1)])
    store.commit([DeleteEvents("2027"), make.change("D", events=1)])
    followed(folder, clock)

    assert content(folder) == {
        "event-000000000001-000000000002.txt": ["A-1", "A-2"],
        "event-000000000003-000000000008.txt": ["D-1"],
    }


def test_a_write_that_fails_leaves_no_file_and_loses_nothing(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=2)])

    def fill_disk(source: AnyExport, part: Part, file: BinaryIO) -> None:
        file.write(b"A-1\n")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        followed(folder, clock, write=fill_disk)
    assert content(folder) == {}
    (folder / ".event-000000000001-000000000002.txt.77.part").write_text("A-1\n")  # a process was killed

    followed(folder, clock)
    assert list(content(folder).values()) == [["A-1", "A-2"]]


def test_events_that_arrived_before_a_time_are_left_out(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([arrived(make, "A", [THREE, FOUR, THREE, FOUR])])

    followed(folder, clock, since=FOUR)

    assert content(folder) == {"event-000000000001-000000000004.txt": ["A-2", "A-4"]}


def test_other_files_and_formats_in_the_folder_do_not_count(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=1)])
    folder.mkdir()
    for name in ("event-000000000001-000000000009.csv", "event-1-9.txt.gz", "notes.txt"):
        (folder / name).touch()

    assert followed(folder, clock) == ["event-000000000001-000000000001.txt"]


def test_a_folder_has_one_follower(store: SqliteStore, folder: Path, clock: Clock) -> None:
    with follower(folder), pytest.raises(FollowError, match=r"Another trackd writes to .*out: stop it, or name"):
        followed(folder, clock)
    assert followed(folder, clock) == []


def test_a_database_with_fewer_events_than_the_folder_is_refused(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=2)])
    folder.mkdir()
    (folder / "event-000000000001-000000000003.txt").touch()

    with pytest.raises(FollowError, match=r"up to number 3, and those of .*trackd\.db end with 2: it is another"):
        followed(folder, clock)


def test_without_a_database_no_folder_is_made(folder: Path, clock: Clock) -> None:
    with pytest.raises(DatabaseError, match="There is no database"):
        followed(folder, clock)
    assert not folder.exists()


def test_each_event_is_in_one_file_while_others_are_stored(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_S", 0)
    monkeypatch.setattr(following, "MAX_EVENTS", 7)
    stop = threading.Event()

    def store_events(count: int) -> None:
        for number in range(count):
            store.commit([make.change(f"P{number}", events=3)])
        stop.set()

    writer = threading.Thread(target=store_events, args=(40,))
    writer.start()
    with follower(folder) as each:
        for _ in each.files(stop):
            pass
    writer.join()
    while followed(folder, clock):  # a stop writes one more file at most
        pass

    assert [event_id for ids in content(folder).values() for event_id in ids] == [
        f"P{number}-{seq}" for number in range(40) for seq in (1, 2, 3)
    ]


def test_the_folder_and_its_files_are_for_their_owner_alone(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=1)])
    before = os.umask(0)
    try:
        (name,) = followed(folder, clock)
    finally:
        os.umask(before)

    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / name)] == [0o700, 0o600]


def test_a_link_to_a_folder_is_followed(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    folder.symlink_to("other")
    store.commit([make.change("A", events=1)])

    assert followed(folder, clock) == [path.name for path in (tmp_path / "other").iterdir()]


def test_a_file_that_is_written_while_a_server_starts_is_written_again(
    store: SqliteStore, folder: Path, clock: Clock, make: type[Make]
) -> None:
    store.commit([make.change("A", events=2)])
    store.close()  # it is read without locks
    rounds: list[Part] = []

    def write_disturbed(source: AnyExport, part: Part, file: BinaryIO) -> None:
        if not rounds:
            execute(folder.with_name("trackd.db"), "UPDATE heartbeat SET beats = beats + 1")
        rounds.append(part)
        write_ids(source, part, file)

    stop = threading.Event()
    stop.set()
    with follower(folder, write=write_disturbed) as each:
        assert [file.name for file in each.files(stop, clock.now)] == ["event-000000000001-000000000002.txt"]
    assert content(folder) == {"event-000000000001-000000000002.txt": ["A-1", "A-2"]}
    assert len(rounds) == 2
