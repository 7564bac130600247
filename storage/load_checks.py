"""What must hold between the rows of an import: events are new, numbered and chained, as their profiles say."""

from typing import Any

# The events of the import are numbered after :after. One that was kept when its profile was erased has no profile.
THERE_ALREADY = """
SELECT number, id FROM event AS new WHERE number > :after AND EXISTS (
    SELECT 1 FROM event AS old WHERE old.id = new.id AND old.profile_id = new.profile_id AND old.number < new.number
) LIMIT 1
"""
BREAK_IN_A_CHAIN = """
SELECT number, id, profile_id, seq, seq_before FROM (
    SELECT number, id, profile_id, seq, previous, lag(seq) OVER chain AS seq_before, lag(number) OVER chain AS before
    FROM event WHERE number > :after AND profile_id != ''
    WINDOW chain AS (PARTITION BY profile_id ORDER BY number)
) WHERE before IS NOT NULL AND (seq != seq_before + 1 OR previous IS NOT before)
LIMIT 1
"""
NOT_THE_LAST = """
SELECT event.number, event.id, event.profile_id, event.seq, profile.seq FROM (
    SELECT max(number) AS number FROM event WHERE number > :after AND profile_id != '' GROUP BY profile_id
) AS last JOIN event USING (number) JOIN profile ON profile.id = event.profile_id
WHERE profile.seq != event.seq OR profile.last_event IS NOT event.number
LIMIT 1
"""
OF_NO_PROFILE = """
SELECT number, id, profile_id FROM event WHERE number > :after AND profile_id != ''
    AND NOT EXISTS (SELECT 1 FROM profile WHERE profile.id = event.profile_id)
    AND NOT EXISTS (SELECT 1 FROM merged WHERE merged.id = event.profile_id)
LIMIT 1
"""
FAULTS = {
    THERE_ALREADY: "event {!r} is there already",
    OF_NO_PROFILE: "event {!r} is of profile {!r}, which is not there",
    BREAK_IN_A_CHAIN: "event {!r} does not follow the one before it of profile {!r}: it has seq {}, that one {}",
    NOT_THE_LAST: "event {!r} is the last of profile {!r} and has seq {}, the profile names another last event, seq {}",
}
RANK = "SELECT count(*) FROM event WHERE number > ? AND number < ?"


def first_fault(db: Any, after: int) -> tuple[int, str] | None:
    """Which of the events that are numbered after `after` is at fault, counted from 0, and what is wrong with it."""
    for sql, fault in FAULTS.items():
        for number, *said in db.execute(sql, {"after": after}):
            return db.execute(RANK, (after, number)).fetchone()[0], fault.format(*said)
    return None
