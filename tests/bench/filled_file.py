"""Database files as months of calls leave them, made in a minute: through the store, and not through HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from tests.bench.payloads import SOURCE_ID
from trackd.actors.profile_document import PAGE_VIEW, new_profile
from trackd.actors.system import new_id
from trackd.storage.documents import Event, Profile, Session, timestamp
from trackd.storage.sqlite import SqliteStore
from trackd.storage.store import Changes, Fence, Outcome

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 500
STRIDE = 7_919  # a prime: the profiles of s-0, s-1, ... lie all over the file


@dataclass(frozen=True)
class Filling:
    """So many profiles, each with so many sessions of so many events."""

    profiles: int
    sessions: int
    events: int

    @property
    def total(self) -> int:
        return self.profiles * self.sessions * self.events


def fill(path: Path, filling: Filling, done: Callable[[int], object] = lambda events: None) -> None:
    """Make the file. `done` is told how many more events are in it. The first sessions are named s-0, s-1, ..."""
    building = path.with_name(f"{path.name}.part")
    building.unlink(missing_ok=True)
    store = SqliteStore(building, "OFF")  # nobody waits for the disk: a file that is not whole is made again
    changes = _all_changes(filling)
    while batch := list(islice(changes, BATCH)):
        outcomes = store.commit(batch)
        assert set(outcomes) == {Outcome.STORED}
        done(len(batch) * filling.events)
    store.close()
    building.rename(path)


def _all_changes(filling: Filling) -> Iterator[Changes]:
    """Each profile has its first session, then each its second: the events of one lie apart, as they do in life."""
    people = [_Person(new_id(), number, filling) for number in range(filling.profiles)]
    moment = BEGAN
    for visit in range(filling.sessions):
        for person in people:
            moment += timedelta(milliseconds=100)
            yield person.visit(visit, timestamp(moment), filling.events)


@dataclass(slots=True)
class _Person:
    id: str
    number: int
    filling: Filling

    def visit(self, visit: int, now: str, events: int) -> Changes:
        seq = visit * events
        return Changes(
            fence=Fence(self.id, seq, visit),
            profile=Profile(self.id, seq + events, visit + 1, self._document(visit, seq + events, now)),
            session=Session(self._session(visit), self.id, now, now, {"client": {"browser": "Mozilla Firefox"}}, {}),
            events=tuple(self._event(visit, seq + position, now) for position in range(1, events + 1)),
        )

    def _session(self, visit: int) -> str:
        number = self.number * STRIDE % self.filling.profiles
        return f"s-{number}" if visit == 0 else f"s-{number}-{visit}"

    def _event(self, visit: int, seq: int, now: str) -> Event:
        return Event(
            id=new_id(),
            profile_id=self.id,
            seq=seq,
            session_id=self._session(visit),
            source_id=SOURCE_ID,
            type=PAGE_VIEW,
            created=now,
            inserted=now,
            status="collected",
            ip="127.0.0.1",
            properties='{"pageTitle":"My Page"}',
            context='{"tag":"product-details-page"}',
            config="{}",
            tags="[]",
        )

    def _document(self, visit: int, seq: int, now: str) -> dict[str, Any]:
        document = new_profile(self.id, now)
        document["seq"] = seq
        document["metadata"]["time"]["visit"] = {"count": visit + 1, "last": None, "current": now}
        document["stats"] = {"visits": visit + 1, "views": seq, "counters": {PAGE_VIEW: seq}}
        return document
