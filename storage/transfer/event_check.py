"""What must hold for the events of an import: new, of a profile that is there, numbered and chained as it says.

What was last seen of each profile lies in a temporary table, which SQLite keeps on disk when it grows.
"""

from collections.abc import Sequence
from typing import Any

from pydantic_core import from_json

from trackd.core.encoding import json_text
from trackd.storage.sqlite.bulk import BulkInsert
from trackd.storage.sqlite.event_chain import COLUMNS
from trackd.storage.transfer.fault import FaultError
from trackd.storage.transfer.records import Row

ID, PROFILE, SEQ = (COLUMNS.index(name) for name in ("id", "profile_id", "seq"))
NUMBER, PREVIOUS = COLUMNS.index("number"), COLUMNS.index("previous")

SEEN = "CREATE TEMP TABLE seen (profile_id TEXT PRIMARY KEY, number INTEGER, seq INTEGER, line INTEGER) WITHOUT ROWID"
PUT_SEEN = BulkInsert(
    "seen",
    ("profile_id", "number", "seq", "line"),
    "ON CONFLICT (profile_id) DO UPDATE SET number = excluded.number, seq = excluded.seq, line = excluded.line",
)
# One row for a whole batch, see bulk.py. The profiles that are there, or were merged; those seen before, with what was
# seen; the events that are there.
STANDING = """
SELECT (SELECT json_group_array(value) FROM json_each(:profiles) WHERE
            EXISTS (SELECT 1 FROM profile WHERE id = value) OR EXISTS (SELECT 1 FROM merged WHERE id = value)),
       (SELECT json_group_array(json_array(profile_id, number, seq)) FROM seen
        WHERE profile_id IN (SELECT value FROM json_each(:profiles))),
       (SELECT json_group_array(json_array(id, profile_id)) FROM event
        WHERE id IN (SELECT value FROM json_each(:events)))
"""
NOT_THE_LAST = """
SELECT line, profile.id, seen.seq, profile.seq FROM seen JOIN profile ON profile.id = seen.profile_id
WHERE profile.seq != seen.seq OR profile.last_event IS NOT seen.number LIMIT 1
"""


class EventCheck:
    """Sees all events of an import in order, in batches. Raises FaultError."""

    def __init__(self, db: Any) -> None:
        self._db = db
        db.execute(SEEN)

    def look_at(self, lines: Sequence[int], rows: Sequence[Row]) -> None:
        """To be called before the rows are stored."""
        profiles = json_text(list({row[PROFILE] for row in rows}))
        events = json_text([row[ID] for row in rows])
        found = self._db.execute(STANDING, {"profiles": profiles, "events": events}).fetchone()
        there, seen, stored = (from_json(text) for text in found)
        known = {*there, ""}  # an event that was kept when its profile was erased has none
        last = {profile_id: (number, seq) for profile_id, number, seq in seen}
        keys = {(event_id, profile_id) for event_id, profile_id in stored}
        last_lines = {}
        for line, row in zip(lines, rows, strict=True):
            event_id, profile_id, seq = row[ID], row[PROFILE], row[SEQ]
            if (event_id, profile_id) in keys:
                raise FaultError(f"event {event_id!r} is there already", line)
            keys.add((event_id, profile_id))
            if profile_id not in known:
                raise FaultError(f"event {event_id!r} is of profile {profile_id!r}, which is not there", line)
            if not profile_id:
                continue
            if profile_id in last and (row[PREVIOUS], seq - 1) != last[profile_id]:
                raise FaultError(
                    f"event {event_id!r} has seq {seq} and does not follow the one before it of profile "
                    f"{profile_id!r}, seq {last[profile_id][1]}",
                    line,
                )
            last[profile_id] = row[NUMBER], seq
            last_lines[profile_id] = line
        PUT_SEEN.run(self._db, [(profile_id, *last[profile_id], line) for profile_id, line in last_lines.items()])

    def end(self) -> None:
        for line, profile_id, seq, told in self._db.execute(NOT_THE_LAST):
            raise FaultError(
                f"the last event of profile {profile_id!r} has seq {seq}, the profile names another, seq {told}", line
            )
