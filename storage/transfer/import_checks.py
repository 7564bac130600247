"""The checks of imported records against each other and against the database."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from pydantic_core import from_json

from trackd.core.documents import tombstone
from trackd.core.encoding import json_text
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import COLUMNS
from trackd.storage.transfer.records import ErasedRecord, Record, Row

ID, PROFILE, SEQ = (COLUMNS.index(name) for name in ("id", "profile_id", "seq"))
NUMBER, PREVIOUS = COLUMNS.index("number"), COLUMNS.index("previous")

# The last imported event of each profile. SQLite moves a temporary table to disk when it grows.
CREATE_LAST_EVENTS = """
CREATE TEMP TABLE last_imported (profile_id TEXT PRIMARY KEY, number INTEGER, seq INTEGER, line INTEGER) WITHOUT ROWID
"""
PUT_LAST_EVENTS = BulkInsert(
    "last_imported",
    ("profile_id", "number", "seq", "line"),
    "ON CONFLICT (profile_id) DO UPDATE SET number = excluded.number, seq = excluded.seq, line = excluded.line",
)
# One row for a batch, as STORED_STATES in sqlite/writer.py: the ids of the profiles that exist or were merged, the last
# imported events of these profiles, and the events that exist.
EXISTING = """
SELECT (SELECT json_group_array(value) FROM json_each(:profiles) WHERE
            EXISTS (SELECT 1 FROM profile WHERE profile.id = json_each.value)
            OR EXISTS (SELECT 1 FROM merged WHERE merged.id = json_each.value)),
       (SELECT json_group_array(json_array(profile_id, number, seq)) FROM last_imported
        WHERE profile_id IN (SELECT value FROM json_each(:profiles))),
       (SELECT json_group_array(json_array(id, profile_id)) FROM event
        WHERE id IN (SELECT value FROM json_each(:events)))
"""
PROFILES_WITH_ANOTHER_LAST_EVENT = """
SELECT last_imported.line, profile.id, last_imported.seq, profile.seq FROM last_imported
JOIN profile ON profile.id = last_imported.profile_id
WHERE profile.seq != last_imported.seq OR profile.last_event IS NOT last_imported.number LIMIT 1
"""
TAKEN_NUMBERS = "SELECT erased.number, event.id FROM erased JOIN event ON event.number = erased.number LIMIT 1"
TOMBSTONES = "SELECT hash FROM erased WHERE hash IN (SELECT value FROM json_each(?))"


class InvalidLineError(Exception):
    """A line cannot be imported. The message has no full stop; `line` is its number, None for the line just read."""

    def __init__(self, fault: str, line: int | None = None) -> None:
        super().__init__(fault)
        self.line = line


class Existing(NamedTuple):
    """What a store has of the profiles and events of a batch.

    The ids of profiles that exist or were merged; the number and `seq` of the last imported event, by profile; the ids
    of events with those of their profiles.
    """

    profile_ids: Set[str]
    last: Mapping[str, tuple[int, int]]
    event_ids: Set[tuple[str, str]]


class EventChecker(ABC):
    """Checks all events of an import, in batches in their order: new, of an existing profile, numbered, and chained.

    Subclasses read the store, and keep the last imported event of each profile in it.
    """

    @abstractmethod
    def existing(self, profile_ids: Set[str], event_ids: Sequence[str]) -> Existing: ...

    @abstractmethod
    def put_last(self, rows: Sequence[Row]) -> None:
        """Keep rows of a profile's id, the number and the `seq` of its last imported event, and its line."""

    @abstractmethod
    def others(self) -> Sequence[Row]:
        """A row with the line, the profile, the `seq` and that of the profile, if a profile has another last event."""

    def check(self, lines: Sequence[int], rows: Sequence[Row]) -> None:
        """Check a batch before it is stored; `lines` are the lines of its rows. Raises InvalidLineError."""
        found = self.existing({row[PROFILE] for row in rows}, [row[ID] for row in rows])
        profile_ids = {*found.profile_ids, ""}  # an event that was kept when its profile was erased has no profile
        last, event_ids = dict(found.last), {*found.event_ids}
        last_lines = {}
        for line, row in zip(lines, rows, strict=True):
            event_id, profile_id, seq = row[ID], row[PROFILE], row[SEQ]
            if (event_id, profile_id) in event_ids:
                raise InvalidLineError(f"event {event_id!r} exists already", line)
            event_ids.add((event_id, profile_id))
            if profile_id not in profile_ids:
                raise InvalidLineError(
                    f"event {event_id!r} belongs to profile {profile_id!r}, which does not exist", line
                )
            if not profile_id:
                continue
            if profile_id in last and (row[PREVIOUS], seq - 1) != last[profile_id]:
                raise InvalidLineError(
                    f"event {event_id!r} has seq {seq} and does not follow the one before it of profile "
                    f"{profile_id!r}, seq {last[profile_id][1]}",
                    line,
                )
            last[profile_id] = row[NUMBER], seq
            last_lines[profile_id] = line
        self.put_last([(profile_id, *last[profile_id], line) for profile_id, line in last_lines.items()])

    def end(self) -> None:
        """Check that each profile names its last imported event as its last. Raises InvalidLineError."""
        for line, profile_id, event_seq, profile_seq in self.others():
            raise InvalidLineError(
                f"the last event of profile {profile_id!r} has seq {event_seq}, the profile names another, "
                f"seq {profile_seq}",
                line,
            )


class FileEventChecker(EventChecker):
    def __init__(self, db: Connection) -> None:
        self._db = db
        db.execute(CREATE_LAST_EVENTS)

    def existing(self, profile_ids: Set[str], event_ids: Sequence[str]) -> Existing:
        wanted = {"profiles": json_text(list(profile_ids)), "events": json_text(list(event_ids))}
        profiles, last, events = (from_json(text) for text in next(self._db.execute(EXISTING, wanted)))
        return Existing(
            set(profiles),
            {profile_id: (number, seq) for profile_id, number, seq in last},
            {(event_id, profile_id) for event_id, profile_id in events},
        )

    def put_last(self, rows: Sequence[Row]) -> None:
        PUT_LAST_EVENTS.run(self._db, rows)

    def others(self) -> Sequence[Row]:
        return list(self._db.execute(PROFILES_WITH_ANOTHER_LAST_EVENT))


def exists_already(kind: type[Record], row: Row, line: int) -> InvalidLineError:
    """The fault of a row whose key is taken."""
    key = row[kind.columns.index("hash" if kind is ErasedRecord else "id")]
    return InvalidLineError(f"the table {kind.table()} has a row {key!r} already", line)


def check_positions(db: Connection) -> None:
    """Check that no erasure has the number of an event. Raises InvalidLineError."""
    for number, event_id in db.execute(TAKEN_NUMBERS):
        raise InvalidLineError(f"a tombstone has the number {number}, as event {event_id!r}")


def refuse_erased(db: Connection, lines: Sequence[int], profiles: Sequence[Row]) -> None:
    """Raise InvalidLineError for a profile that was erased in this database: an older export must not restore it."""
    positions = {tombstone(row[0]): position for position, row in enumerate(profiles)}
    erased = list(db.execute(TOMBSTONES, (json_text(list(positions)),)))
    for position in sorted(positions[hash_] for (hash_,) in erased):
        raise InvalidLineError(f"profile {profiles[position][0]!r} was erased in this database", lines[position])
