"""The erasure of a profile: its rows are deleted, within a transaction of the caller, and a tombstone is left."""

from trackd.core.changes import Erasure, Outcome
from trackd.core.documents import tombstone
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.numbers import BASE
from trackd.storage.postgres.refusals import clear_refusals

PROFILE_STATE = "SELECT seq, revision FROM profile WHERE id = %s FOR UPDATE"
DELETE_EVENTS = "DELETE FROM event WHERE profile_id = %s"
# Properties and context are replaced too: they may hold anything, an e-mail address as well as a price.
ANONYMISE_EVENTS = """
UPDATE event SET id = replace(gen_random_uuid()::text, '-', ''), profile_id = '', session_id = '', seq = 0, ip = NULL,
    properties = '{}', context = '{}', config = '{}', reasons = NULL, rules = NULL
WHERE profile_id = %s
"""
MERGED_IDS = "SELECT id FROM merged WHERE into_id = %s ORDER BY id"
PUT_TOMBSTONE = f"""
INSERT INTO erased (hash, erased, number) SELECT %s, %s::timestamptz, {BASE} + %s
ON CONFLICT (hash) DO UPDATE SET erased = excluded.erased, number = excluded.number
"""
DELETE_PROFILE = (
    "DELETE FROM session WHERE profile_id = %s",
    "DELETE FROM event_id WHERE profile_id = %s",
    "DELETE FROM merged WHERE into_id = %s",
    "DELETE FROM pii WHERE profile_id = %s",
    "DELETE FROM profile WHERE id = %s",
)


def erase(db: Connection, erasure: Erasure, places: int) -> tuple[Outcome, int]:
    """Delete a profile, its sessions and event ids, delete or anonymise its events, and clear its refusals.

    The transaction has used so many places of numbers before; the second result is how many the erasure uses. Returns
    STALE, and writes nothing, when the fence does not match the stored profile.
    """
    fence = erasure.fence
    if db.rows(PROFILE_STATE, [fence.profile_id]) != [(fence.seq, fence.revision)]:
        return Outcome.STALE, 0
    db.run(ANONYMISE_EVENTS if erasure.keep_events else DELETE_EVENTS, [fence.profile_id])
    profile_ids = [fence.profile_id, *(merged for (merged,) in db.rows(MERGED_IDS, [fence.profile_id]))]
    clear_refusals(db, profile_ids)
    for place, profile_id in enumerate(profile_ids, places + 1):
        db.run(PUT_TOMBSTONE, [tombstone(profile_id), erasure.erased, place])
    for statement in DELETE_PROFILE:
        db.run(statement, [fence.profile_id])
    return Outcome.STORED, len(profile_ids)
