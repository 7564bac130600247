"""The confirmation of the clock that stopped the retention, for `trackd retention confirm`."""

import contextlib
from datetime import datetime
from pathlib import Path

from trackd.core.documents import timestamp
from trackd.core.retention_changes import RetentionStop
from trackd.storage.sqlite.connection import transaction
from trackd.storage.sqlite.retention_stop import SELECT_STOP
from trackd.storage.sqlite.shared_file import SharedFile

CONFIRM = "UPDATE retention SET stopped_after = NULL, confirmed = ?"


def confirm(path: Path, now: datetime) -> RetentionStop:
    """Confirm that the clock is right, also while a server runs, and return the stop that this ends.

    Raises DatabaseError.
    """
    with contextlib.closing(SharedFile(path)) as file, file.errors(), transaction(file.connection):
        stop = RetentionStop(*next(file.connection.execute(SELECT_STOP)))
        file.connection.execute(CONFIRM, (timestamp(now),))
    return stop
