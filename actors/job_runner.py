"""Does the jobs that wait in the store, each as its kind demands, and writes their progress and their end."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from msgspec.structs import replace

from trackd.actors.base import RETRY_AFTER_S
from trackd.actors.messages import Administer, Failed, Reason, Refused
from trackd.actors.tracker import Tracker
from trackd.core.calls import Answer, Request
from trackd.core.documents import timestamp
from trackd.core.jobs import AddJob, Job, JobChange, JobState, PutJob
from trackd.storage.errors import StoreError
from trackd.telemetry.faults import without_values
from trackd.telemetry.rate_limited_log import RateLimitedLog

log = logging.getLogger(__name__)

POLL_S = 0.5

A = TypeVar("A", bound=Answer)
Save = Callable[[Job], Awaitable[None]]


class JobFailedError(Exception):
    """A job cannot be done. The message is a sentence for the person who asked for it."""


class StoppingError(Exception):
    """The server is stopping: the job stays open, and the next server goes on with it."""


class Kind(Protocol):
    """One kind of job."""

    def due(self, jobs: Sequence[Job]) -> bool:
        """Whether a job is to be added without a command. `jobs` are the open jobs and the last ended ones."""

    async def do(self, job: Job, save: Save) -> Job:
        """Do the job from its position on, and return it at its end.

        `save` writes the progress. Raises JobFailedError, StoppingError and StoreError; after a StoreError it is
        called again.
        """


class JobRunner:
    """Polls the store for open jobs: one of each kind is done at a time, the oldest first.

    `jobs` returns None while another server does them.
    """

    def __init__(self, tracker: Tracker, jobs: Callable[[], Sequence[Job] | None], kinds: Mapping[str, Kind]) -> None:
        self._tracker = tracker
        self._jobs = jobs
        self._kinds = kinds
        self._limited_log = RateLimitedLog(time.monotonic)
        self._running: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Jobs are done within the block; one that has not ended stays open."""
        polling = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            tasks = [polling, *self._running.values()]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _poll(self) -> None:
        while not self._tracker.stopping:
            try:
                await self._begin()
            except (StoreError, StoppingError):  # the store's fault is in the log already
                pass
            except Exception as error:  # a bug must not end all jobs
                log.error("the jobs cannot be read", exc_info=without_values(error))
            await asyncio.sleep(POLL_S)

    async def _begin(self) -> None:
        """Begin the oldest open job of each kind that has none under way, and add jobs that are due."""
        jobs = self._jobs()
        if jobs is None:
            return
        for name, kind in self._kinds.items():
            if kind.due(jobs):
                await self._write(AddJob(name, {}, _now()))
                return  # the next poll reads it: these jobs may have ended meanwhile
        for job in jobs:
            running = self._running.get(job.kind)
            if job.state is JobState.OPEN and (running is None or running.done()):
                self._running[job.kind] = asyncio.create_task(self._do(job))

    async def _do(self, job: Job) -> None:
        with contextlib.suppress(StoreError, StoppingError):
            await self._save(await self._ended(job))

    async def _ended(self, job: Job) -> Job:
        kind = self._kinds.get(job.kind)
        try:
            if kind is None:
                raise JobFailedError(f"This trackd has no jobs of the kind {job.kind}: install the one that added it.")
            return replace(await kind.do(job, self._save), state=JobState.DONE)
        except JobFailedError as error:
            return replace(job, state=JobState.FAILED, result={"error": str(error)})
        except StoppingError:
            raise
        except StoreError as error:
            if self._limited_log.due(job.kind) is not None:
                log.warning("the job %d (%s) is interrupted, and goes on later: %s", job.number, job.kind, error)
            raise
        except Exception as error:
            log.error("the job %d (%s) failed", job.number, job.kind, exc_info=without_values(error))
            fault = "trackd failed on it: the log has the fault."
            return replace(job, state=JobState.FAILED, result={"error": fault})

    async def _save(self, job: Job) -> None:
        await self._write(PutJob(job, _now()))

    async def _write(self, change: JobChange) -> None:
        answer = await ask_until_done(self._tracker, lambda number: Administer(number, change))
        if isinstance(answer, Failed):
            raise StoreError("a change of a job failed")


async def ask_until_done(tracker: Tracker, make: Callable[[int], Request[A]]) -> A | Failed:
    """The answer to a request, which is sent again while the server is busy or its disk refuses.

    `make` gets the request's number. Raises StoppingError.
    """
    while True:
        answer = await tracker.ask(make(tracker.next_number()))
        if not isinstance(answer, Refused):
            return answer
        if answer.reason is Reason.STOPPING:
            raise StoppingError
        await asyncio.sleep(answer.retry_after_s or RETRY_AFTER_S)


def _now() -> str:
    return timestamp(datetime.now(UTC))
