"""The erasure of a profile that a command asks for: a job, done through the profile's actor as `DELETE /profile` is."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from trackd.actors.job_runner import JobFailedError, Save, ask_until_done
from trackd.actors.messages import Erase, Failed, Fetch
from trackd.actors.tracker import Tracker
from trackd.core.documents import timestamp
from trackd.core.jobs import Job
from trackd.core.profile_document import time_of_insert

FAULT = "The server failed on it: its log has the fault."


class ProfileErasure:
    """A `Kind` of job. Its arguments are `profile_id`, `inserted` and `keep_events`, its result names nobody.

    Only the profile that was inserted then is erased. A call may have made another one with the same id since: when a
    job is done again after a kill, or late.
    """

    def __init__(self, tracker: Tracker, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tracker = tracker
        self._now = now

    def due(self, jobs: Sequence[Job]) -> bool:
        return False

    async def do(self, job: Job, save: Save) -> Job:
        profile_id, inserted = job.arguments["profile_id"], job.arguments["inserted"]
        fetched = await ask_until_done(self._tracker, lambda number: Fetch(number, profile_id))
        if isinstance(fetched, Failed):
            raise JobFailedError(FAULT)
        if fetched.profile is None or time_of_insert(fetched.profile.doc_json) != inserted:
            return job
        keep_events, erased = job.arguments["keep_events"], timestamp(self._now())
        answer = await ask_until_done(self._tracker, lambda number: Erase(number, profile_id, erased, keep_events))
        if isinstance(answer, Failed):
            raise JobFailedError(FAULT)
        return replace(job, done=1, total=1)
