"""The clock of the retention in a database file: what shows the time, and a stop until the clock is confirmed."""

from trackd.core.retention_changes import PutRetentionStop
from trackd.storage.sqlite.connection import Connection

NEWEST_ROWS = 1_000  # the newest of each table: those ahead of the clock show nothing
SELECT_STOP = "SELECT stopped_after, confirmed, trusted FROM retention"
PUT_STOP = """
UPDATE retention SET stopped_after = :after, trusted = ifnull(:trusted, trusted) WHERE confirmed IS :confirmed
"""
# In hex: a damaged row may hold what is not UTF-8.
NEWEST_TIME = f"""
SELECT hex(max(time)) FROM (
    SELECT * FROM (SELECT inserted AS time FROM event ORDER BY number DESC LIMIT {NEWEST_ROWS})
    UNION ALL SELECT * FROM (SELECT updated FROM session ORDER BY rowid DESC LIMIT {NEWEST_ROWS})
) WHERE time <= ? AND substr(time, 1, 10) GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'
"""


def newest_time(in_hex: str) -> str | None:
    """The result of NEWEST_TIME."""
    return bytes.fromhex(in_hex).decode(errors="replace") or None


def put_stop(db: Connection, change: PutRetentionStop) -> bool:
    """Write the change, unless a person has confirmed the clock meanwhile. Returns whether it is written."""
    db.execute(PUT_STOP, {"after": change.after, "confirmed": change.confirmed, "trusted": change.trusted})
    return db.changes() > 0
