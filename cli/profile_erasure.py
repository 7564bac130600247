"""Erasing a profile by a command: a running server does it; without one the command does it itself."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from trackd.cli.errors import CommandError, naming
from trackd.cli.job_places import FilePlace
from trackd.cli.jobs import done, find, wait
from trackd.cli.progress import progress_bar
from trackd.cli.signals import Interrupted
from trackd.core.changes import Change, Erasure, Fence, Outcome
from trackd.core.documents import JsonObject, timestamp
from trackd.core.jobs import ERASE_PROFILE, JobState, PutJob
from trackd.core.profile_document import time_of_insert
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock
from trackd.storage.sqlite.store import SqliteStore


def erase_profile(path: Path, profile_id: str, document: str, *, keep_events: bool) -> None:
    """Erase the profile with this document, and none that takes its id meanwhile.

    Raises CommandError, StoreError and DatabaseError.
    """
    number = None
    arguments = {"profile_id": profile_id, "inserted": time_of_insert(document), "keep_events": keep_events}
    with progress_bar("erasure", None) as advance:
        while True:
            with contextlib.suppress(DatabaseInUseError):  # by a server, which owns its profiles
                _erase_alone(path, arguments, number)
                return
            with Jobs(path) as jobs:  # closed before this process tries the lock again
                if number is None:
                    number = jobs.add(ERASE_PROFILE, arguments)
                try:
                    if wait(jobs, number, FilePlace(path), advance):
                        done(find(jobs, number))
                        return
                except Interrupted as interrupted:
                    interrupted.effect = "the server goes on with it"
                    raise


def _erase_alone(path: Path, arguments: JsonObject, number: int | None) -> None:
    """Raises DatabaseInUseError. `number` is that of a job that a server left: it ends with the erasure."""
    profile_id, now = arguments["profile_id"], timestamp(datetime.now(UTC))
    with DatabaseLock(path) as lock, naming(path):
        changes: list[Change] = []
        store = SqliteStore(path)
        lock.note_log("FULL")
        try:
            store.renew_log()
            stored = store.profile(profile_id)
            if stored is not None and time_of_insert(stored.doc_json) == arguments["inserted"]:
                fence = Fence(stored.id, stored.seq, stored.revision)
                changes.append(Erasure(fence, now, arguments["keep_events"]))
            if number is not None:
                with Jobs(path) as jobs:
                    left = find(jobs, number)
                changes.append(PutJob(replace(left, state=JobState.DONE), now))
            if Outcome.FAILED in store.commit(changes):
                raise CommandError(f"The profile {profile_id} cannot be erased: see the errors above.")
        finally:
            store.close()
