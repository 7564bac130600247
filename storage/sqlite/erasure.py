"""What is written for those who run trackd: sources, and the erasure of profiles. In the writer's transaction."""

from typing import Any

from trackd.core.changes import Administration, Erasure, Outcome, PutSource, RemoveSource
from trackd.storage.sqlite.connection import overwriting
from trackd.storage.sqlite.event_chain import walk
from trackd.storage.sqlite.sources import PUT_SOURCE, source_row

STANDING = "SELECT seq, revision, last_event FROM profile WHERE id = ?"
EVENTS = f"{walk(profile=':profile', start=':start', depth='-1')} SELECT json_group_array(number) FROM walk"
DELETE_EVENTS = "DELETE FROM event WHERE number IN (SELECT value FROM json_each(?))"
# Properties and context go too: anything may be in them, an e-mail address as well as a price.
ANONYMISE_EVENTS = """
UPDATE event SET id = lower(hex(randomblob(16))), profile_id = '', session_id = '', seq = 0, ip = NULL, previous = NULL,
    properties = '{}', context = '{}', config = '{}', reasons = NULL
WHERE number IN (SELECT value FROM json_each(?))
"""
OF_PROFILE = (
    "DELETE FROM session WHERE profile_id = ?",
    "DELETE FROM event_id WHERE profile_id = ?",
    "DELETE FROM merged WHERE into_id = ?",
    "DELETE FROM profile WHERE id = ?",
)
MERGED = "SELECT id FROM merged WHERE into_id = ?"
TOMBSTONE = "INSERT INTO erased VALUES (?, ?) ON CONFLICT (hash) DO UPDATE SET erased = excluded.erased"


def administer(db: Any, change: Administration) -> Outcome:
    """Write one change, on a connection that is in a transaction."""
    match change:
        case Erasure():
            with overwriting(db):
                return _erase(db, change)
        case PutSource():
            db.execute(PUT_SOURCE, source_row(change.source))
        case RemoveSource():
            db.execute("DELETE FROM source WHERE id = ?", (change.source_id,))
    return Outcome.STORED


def tombstone(profile_id: str) -> str:
    """What is kept of an erased profile's id: whoever knows the id can tell that it was erased, nobody else."""
    import hashlib  # OpenSSL, 3.5 MB: for erasures only

    return hashlib.sha256(profile_id.encode()).hexdigest()


def _erase(db: Any, erasure: Erasure) -> Outcome:
    fence = erasure.fence
    row = db.execute(STANDING, (fence.profile_id,)).fetchone()
    if row is None or row[:2] != (fence.seq, fence.revision):
        return Outcome.STALE
    numbers = db.execute(EVENTS, {"start": row[2], "profile": fence.profile_id}).fetchone()
    db.execute(ANONYMISE_EVENTS if erasure.keep_events else DELETE_EVENTS, numbers)
    for (profile_id,) in [(fence.profile_id,), *db.execute(MERGED, (fence.profile_id,)).fetchall()]:
        db.execute(TOMBSTONE, (tombstone(profile_id), erasure.erased))
    for statement in OF_PROFILE:
        db.execute(statement, (fence.profile_id,))
    return Outcome.STORED
