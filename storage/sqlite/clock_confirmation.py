"""The confirmation of the clock that stopped the retention, for `trackd retention confirm`."""

import contextlib
from datetime import datetime
from pathlib import Path

from trackd.core.documents import timestamp
from trackd.core.retention_changes import RetentionStop
from trackd.storage.sqlite.connection import transaction
from trackd.storage.sqlite.retention_stop import SELECT_STOP
from trackd.storage.sqlite.shared_file import SharedFile

CONFIRM = """
INSERT INTO retention (id, stopped_after, confirmed) VALUES (1, NULL, ?)
ON CONFLICT (id) DO UPDATE SET stopped_after = NULL, confirmed = excluded.confirmed
"""


def confirm(path: Path, now: datetime) -> RetentionStop:
    """Confirm that the clock is right, also while a server runs, and return the stop that this ends.

    Raises DatabaseError.
    """
    with contextlib.closing(SharedFile(path)) as file, file.errors(), transaction(file.connection):
        stop = next((RetentionStop(*row) for row in file.connection.execute(SELECT_STOP)), RetentionStop())
        file.connection.execute(CONFIRM, (timestamp(now),))
    return stop
