"""Database files as large as after months of calls, built in a minute: through the store, not through HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from tests.bench.payloads import SOURCE_ID, body
from trackd.actors.wiring import new_id
from trackd.config.settings import Settings
from trackd.core.changes import Changes, Outcome
from trackd.core.decision import Decision, decide
from trackd.core.documents import Source, timestamp
from trackd.core.encoding import json_raw
from trackd.core.snapshot import Snapshot
from trackd.http.rules_loading import load_rules
from trackd.http.track.decoding import decode
from trackd.http.track.payload import PayloadParser
from trackd.storage.sqlite.store import SqliteStore

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 500
STRIDE = 7_919  # a prime: the profiles of s-0, s-1, ... lie all over the file


@dataclass(frozen=True)
class Filling:
    """The size of a file: its profiles, the sessions of each, and the events of each session."""

    profiles: int
    sessions: int
    events: int

    @property
    def total(self) -> int:
        return self.profiles * self.sessions * self.events


def fill(path: Path, filling: Filling, done: Callable[[int], object] = lambda events: None) -> None:
    """Make the file. `done` receives the number of events added. The first sessions are named s-0, s-1, ..."""
    building = path.with_name(f"{path.name}.part")
    building.unlink(missing_ok=True)
    store = SqliteStore(building, "OFF")  # no commit waits for the disk: an incomplete file is built again
    changes = _all_changes(filling)
    while batch := list(islice(changes, BATCH)):
        outcomes = store.commit(batch)
        assert set(outcomes) == {Outcome.STORED}
        done(len(batch) * filling.events)
    store.close()
    building.rename(path)


def _all_changes(filling: Filling) -> Iterator[Changes]:
    """Each profile has its first session, then each its second: the events of one lie apart, as they do in life."""
    people = [(new_id(), number * STRIDE % filling.profiles) for number in range(filling.profiles)]
    moment = BEGAN
    for visit, example in enumerate(_visits(filling)):
        for profile_id, number in people:
            moment += timedelta(milliseconds=100)
            session_id = f"s-{number}" if visit == 0 else f"s-{number}-{visit}"
            yield _as_of(example, profile_id, session_id, timestamp(moment))


def _visits(filling: Filling) -> Iterator[Changes]:
    """The changes of one person's visits; those of all others differ in ids and times."""
    settings = Settings()
    rules, parser = load_rules("", settings.limits), PayloadParser(settings.limits.max_events)
    profile = None
    for visit in range(filling.sessions):
        payload = parser.parse(body(filling.events).replace("SESSION", str(visit)).encode())
        call = decode(payload, number=visit, received=timestamp(BEGAN), ip="127.0.0.1")
        known = Snapshot("example", profile, None, {})
        decision = decide(known, call, Source(SOURCE_ID, "bench"), rules, settings.limits)
        assert isinstance(decision, Decision)
        profile = decision.profile
        yield decision.changes


def _as_of(example: Changes, profile_id: str, session_id: str, now: str) -> Changes:
    profile, session = example.profile, example.session
    assert profile is not None
    assert session is not None
    metadata = profile.doc["metadata"]
    time = metadata["time"] | {"insert": now, "update": now}
    doc = profile.doc | {"id": profile_id, "metadata": metadata | {"time": time}}
    return Changes(
        fence=replace(example.fence, profile_id=profile_id),
        profile=replace(profile, id=profile_id, doc_json=json_raw(doc)),
        session=replace(session, id=session_id, profile_id=profile_id, inserted=now, updated=now),
        events=tuple(
            event._replace(id=new_id(), profile_id=profile_id, session_id=session_id, created=now, inserted=now)
            for event in example.events
        ),
    )
