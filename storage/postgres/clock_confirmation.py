"""The confirmation of the clock that stopped the retention, for `trackd retention confirm`."""

from datetime import datetime

from trackd.core.documents import timestamp
from trackd.core.retention_changes import RetentionStop
from trackd.storage.postgres.administration import SELECT_STOP
from trackd.storage.postgres.shared_database import SharedDatabase

CONFIRM = """
INSERT INTO retention (id, stopped_after, confirmed) VALUES (1, NULL, %s::timestamptz)
ON CONFLICT (id) DO UPDATE SET stopped_after = NULL, confirmed = excluded.confirmed
"""


def confirm(url: str, now: datetime) -> RetentionStop:
    """Confirm that the clock is right, and return the stop that this ends. Servers may run. Raises StoreError."""
    with SharedDatabase(url) as database, database.transaction() as db:
        stop = next((RetentionStop(*row) for row in db.rows(f"{SELECT_STOP} FOR UPDATE")), RetentionStop())
        db.run(CONFIRM, [timestamp(now)])
    return stop
