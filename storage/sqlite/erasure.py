"""The erasure of a profile: its rows are deleted, within a transaction of the caller, and a tombstone is left."""

from trackd.core.changes import Erasure, Outcome
from trackd.core.documents import tombstone
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.event_chain import LAST_NUMBER, walk
from trackd.storage.sqlite.refusals import clear_refusals

PROFILE_STATE = "SELECT seq, revision, last_event FROM profile WHERE id = ?"
EVENT_NUMBERS = f"{walk(profile=':profile', start=':start', depth='-1')} SELECT json_group_array(number) FROM walk"
DELETE_EVENTS = "DELETE FROM event WHERE number IN (SELECT value FROM json_each(?))"
# Properties and context go too: they may hold anything, an e-mail address as well as a price.
ANONYMISE_EVENTS = """
UPDATE event SET id = lower(hex(randomblob(16))), profile_id = '', session_id = '', seq = 0, ip = NULL, previous = NULL,
    properties = '{}', context = '{}', config = '{}', reasons = NULL, rules = NULL
WHERE number IN (SELECT value FROM json_each(?))
"""
DELETE_PROFILE = (
    "DELETE FROM session WHERE profile_id = ?",
    "DELETE FROM event_id WHERE profile_id = ?",
    "DELETE FROM merged WHERE into_id = ?",
    "DELETE FROM pii WHERE profile_id = ?",
    "DELETE FROM profile WHERE id = ?",
)
MERGED_IDS = "SELECT id FROM merged WHERE into_id = ?"
# Each takes the next number of the events: its place in the order of commits, by which the feed shows it.
PUT_TOMBSTONE = """
INSERT INTO erased (hash, erased, number) VALUES (?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET erased = excluded.erased, number = excluded.number
"""
USE_NUMBER = "UPDATE event_numbers SET used_up_to = ?"


def erase(db: Connection, erasure: Erasure) -> Outcome:
    """Delete a profile, its sessions and event ids, delete or anonymise its events, and clear its refusals.

    Returns STALE, and writes nothing, when the fence does not match the stored profile.
    """
    fence = erasure.fence
    row = db.execute(PROFILE_STATE, (fence.profile_id,)).fetchone()
    if row is None or row[:2] != (fence.seq, fence.revision):
        return Outcome.STALE
    numbers = next(db.execute(EVENT_NUMBERS, {"start": row[2], "profile": fence.profile_id}))
    db.execute(ANONYMISE_EVENTS if erasure.keep_events else DELETE_EVENTS, numbers)
    profile_ids = [fence.profile_id, *(merged for (merged,) in db.execute(MERGED_IDS, (fence.profile_id,)))]
    clear_refusals(db, profile_ids)
    for profile_id in profile_ids:
        number = next(db.execute(LAST_NUMBER))[0] + 1
        db.execute(PUT_TOMBSTONE, (tombstone(profile_id), erasure.erased, number))
        db.execute(USE_NUMBER, (number,))
    for statement in DELETE_PROFILE:
        db.execute(statement, (fence.profile_id,))
    return Outcome.STORED
