"""Tables of a PostgreSQL database, and events as they arrive."""

import json
import threading
from pathlib import Path

from tests.support.making import Make
from tests.support.stores import PostgresBackend
from trackd.storage.postgres import exporting
from trackd.storage.postgres.exporting import DatabaseExport
from trackd.storage.transfer.exporting import EVERYTHING, Part
from trackd.storage.transfer.following import Follower
from trackd.storage.transfer.records import EventRecord, ProfileRecord, SessionRecord

EARLY, LATE = "2026-01-31T12:00:00.000000Z", "2026-02-01T12:00:00.000000Z"


def test_documents_are_those_of_the_server_and_parts_are_by_time(
    postgres_backend: PostgresBackend, make: type[Make]
) -> None:
    backend = postgres_backend
    nul = {"email": "\0"}
    backend.store.commit([make.change("A", events=2, session="S", pii=nul, event={"properties": '{"a":1.10}'})])
    time = {"insert": LATE, "update": LATE, "visit": {"count": 0, "last": None, "current": None}}
    backend.store.commit([make.change("B", events=1, event={"inserted": LATE}, metadata={"time": time})])

    with DatabaseExport(backend.url) as export:
        assert export.size() == 2 + 1 + 3
        events = [json.loads(line) for line in export.documents(EventRecord)]
        assert [(each["id"], each["seq"]) for each in events] == [("A-1", 1), ("A-2", 2), ("B-1", 1)]
        assert events[0] == json.loads(backend.listings.event("A-1") or "")
        assert b'"properties":{"a":1.10}' in next(export.documents(EventRecord, EVERYTHING))
        for record in (EventRecord, ProfileRecord):
            late = [json.loads(line)["id"] for line in export.documents(record, Part(since=LATE))]
            early = [json.loads(line)["id"] for line in export.documents(record, Part(until=LATE))]
            assert (late, early) == ((["B-1"], ["A-1", "A-2"]) if record is EventRecord else (["B"], ["A"]))
        assert [json.loads(line)["id"] for line in export.documents(SessionRecord, Part(since=EARLY))] == ["S"]


def test_events_are_read_page_by_page_while_others_are_read(
    postgres_backend: PostgresBackend, make: type[Make], monkeypatch: object
) -> None:
    postgres_backend.store.commit([make.change("A", events=5)])
    original, exporting.PAGE = exporting.PAGE, 2
    try:
        with DatabaseExport(postgres_backend.url) as export:
            numbers = [number for number, _ in export.new_events(EVERYTHING)]
            assert numbers[-1] == export.last_number()
            for number, _ in export.new_events(EVERYTHING):
                assert (
                    len(list(export.rows(EventRecord, Part(after=number)))) == len(numbers) - numbers.index(number) - 1
                )
    finally:
        exporting.PAGE = original


def test_events_are_followed_into_files(postgres_backend: PostgresBackend, make: type[Make], tmp_path: Path) -> None:
    def follow() -> list[str]:
        stop = threading.Event()
        stop.set()

        def write(source: object, part: Part, file: object) -> None:
            ids = [row[1] for row in source.rows(EventRecord, part)]  # type: ignore[attr-defined]
            file.write(" ".join(ids).encode())  # type: ignore[attr-defined]

        opened = lambda: DatabaseExport(postgres_backend.url)  # noqa: E731
        with Follower("db", opened, tmp_path / "out", ".txt", write) as follower:
            return [path.read_text() for path in follower.files(stop)]

    postgres_backend.store.commit([make.change("A", events=2)])
    assert follow() == ["A-1 A-2"]
    assert follow() == []
    postgres_backend.store.commit([make.change("A", (2, 1), events=1), make.change("B", events=1)])
    assert follow() == ["A-3 B-1"]
