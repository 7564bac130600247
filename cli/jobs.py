"""Jobs of commands: a running server does them; without one the command does them itself."""

import asyncio
import time
from collections.abc import Callable

from trackd.cli.errors import CommandError, naming
from trackd.cli.job_places import AnyJobs, JobPlace, place_of
from trackd.cli.progress import progress_bar
from trackd.cli.signals import Interrupted
from trackd.config.rules_file import DEFAULT_RULES
from trackd.config.settings import Settings
from trackd.core.documents import JsonObject
from trackd.core.jobs import APPLY_RULES, Job, JobState
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules
from trackd.storage.sqlite.lock import DatabaseInUseError
from trackd.telemetry.logs import configure_logging

POLL_S = 0.1
SERVER_GONE_S = 5.0  # a server that restarts holds the lock again by then

Advance = Callable[..., None]


def run_job(settings: Settings, kind: str, arguments: JsonObject, label: str) -> Job:
    """Leave a job in the store, wait for its end with a progress bar, and return it.

    Raises CommandError when the job fails, and StoreError.
    """
    place = place_of(settings)
    with progress_bar(label, None) as advance:
        is_served = place.is_served()
        with place.open() as jobs:
            if not is_served:
                _check_rules(settings, jobs, kind)  # a fault ends the command before it leaves a job
            number = None if is_served else _left_open(jobs, kind, arguments)
            if number is None:
                number = jobs.add(kind, arguments)
        try:
            while not (is_served and _wait(place, number, advance)):
                if is_served:
                    with place.open() as jobs:
                        _check_rules(settings, jobs, kind)
                is_served = False
                try:
                    with naming(place.name):
                        asyncio.run(_do(settings, place, number, advance))
                    break
                except DatabaseInUseError:  # it was free a moment ago
                    is_served = True
        except Interrupted as interrupted:
            interrupted.effect = f"the {'server' if is_served else 'next start of the server'} goes on with it"
            raise
        with place.open() as jobs:
            job = find(jobs, number)
    return done(job)


def _wait(place: JobPlace, number: int, advance: Advance) -> bool:
    with place.open() as jobs:  # closed before this process tries the lock of a file
        return wait(jobs, number, place, advance)


def _check_rules(settings: Settings, jobs: AnyJobs, kind: str) -> None:
    """Refuse to empty segments of the rules that the server has, because the command does not know their file."""
    rules = load_rules(settings.rules.path, settings.limits)
    if kind != APPLY_RULES or settings.rules.path:
        return
    lost = jobs.segments_in_use() - set(rules.segments)
    if lost:
        raise CommandError(
            f"No server runs on {place_of(settings).name}, and no rules file is named: the built-in rules lack "
            f"segments that profiles are in ({', '.join(sorted(lost)[:10])}). Name the server's file with --rules; the "
            f"built-in one is {DEFAULT_RULES}."
        )


def _left_open(jobs: AnyJobs, kind: str, arguments: JsonObject) -> int | None:
    """The number of the same job that an interrupted command or a stopped server left, None if there is none."""
    for job in jobs.all():
        if job.state is JobState.OPEN and (job.kind, job.arguments) == (kind, arguments):
            return job.number
    return None


def find(jobs: AnyJobs, number: int) -> Job:
    """The job with this number. Raises CommandError when there is none any more."""
    for job in jobs.all():
        if job.number == number:
            return job
    raise CommandError(f"The job {number} is no longer in the store: later ones took its place.")


def done(job: Job) -> Job:
    """The job, which has ended. Raises CommandError when it failed."""
    if job.state is JobState.DONE:
        return job
    raise CommandError(job.result.get("error", "The job ended before it was done: see the errors above."))


def wait(jobs: AnyJobs, number: int, place: JobPlace, advance: Advance) -> bool:
    """Wait until a server has done the job. Returns False when none has run for a while."""
    held_at = time.monotonic()
    while (job := find(jobs, number)).state is JobState.OPEN:
        advance(job.done, job.total)
        if place.is_served():
            held_at = time.monotonic()
        elif time.monotonic() - held_at > SERVER_GONE_S:
            return False
        time.sleep(POLL_S)
    return True


async def _do(settings: Settings, place: JobPlace, number: int, advance: Advance) -> None:
    """Do all open jobs, as a server that takes no calls, until this one has ended."""
    configure_logging("warning", settings.log.format)
    quiet = settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})
    with assemble(quiet, load_rules(settings.rules.path, settings.limits)) as assembly:
        async with assembly.application.lifespan():
            with place.open() as jobs:
                while (job := find(jobs, number)).state is JobState.OPEN:
                    advance(job.done, job.total)
                    await asyncio.sleep(POLL_S)
