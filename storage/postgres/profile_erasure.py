"""Erasing a profile by a command, also while servers run: the fence refuses what they decide on the erased profile."""

import contextlib
from datetime import UTC, datetime

from trackd.config.store_url import masked
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.core.documents import timestamp
from trackd.core.profile_document import time_of_insert
from trackd.storage.errors import StoreError
from trackd.storage.postgres.store import PostgresStore

TRIES = 100  # a profile whose calls come all the time is another one at each of them


def erase_profile(url: str, profile_id: str, inserted: str | None, *, keep_events: bool) -> None:
    """Erase the profile that was made at this time, and none that takes its id meanwhile. Raises StoreError."""
    name = masked(url)
    with contextlib.closing(PostgresStore(url)) as store:
        for _ in range(TRIES):
            try:
                stored = store.profile(profile_id)
                if stored is None or time_of_insert(stored.doc_json) != inserted:
                    return
                fence = Fence(stored.id, stored.seq, stored.revision)
                [outcome] = store.commit([Erasure(fence, timestamp(datetime.now(UTC)), keep_events)])
            except StoreError as error:
                raise StoreError(f"{name}: {str(error).rstrip('.')}.") from error
            if outcome is Outcome.STORED:
                return
            if outcome is not Outcome.STALE:
                raise StoreError(f"The profile {profile_id} cannot be erased: see the errors above.")
    raise StoreError(f"The profile {profile_id} is not erased: calls change it all the time, so try again later.")
