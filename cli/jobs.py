"""Jobs of commands: a running server does them; without one the command does them itself, under the file's lock."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from trackd.cli.errors import CommandError, naming
from trackd.cli.progress import progress_bar
from trackd.cli.signals import Interrupted
from trackd.config.rules_file import DEFAULT_RULES
from trackd.config.settings import Settings
from trackd.core.documents import JsonObject
from trackd.core.jobs import APPLY_RULES, Job, JobState
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.lock import DatabaseInUseError, DatabaseLock
from trackd.telemetry.logs import configure_logging

POLL_S = 0.1
SERVER_GONE_S = 5.0  # a server that restarts holds the lock again by then

Advance = Callable[..., None]


def run_job(settings: Settings, kind: str, arguments: JsonObject, label: str) -> Job:
    """Leave a job in the database file, wait for its end with a progress bar, and return it.

    Raises CommandError when the job fails, and DatabaseError.
    """
    path = settings.database.path
    with progress_bar(label, None) as advance:
        is_served = DatabaseLock(path).is_held()
        with Jobs(path) as jobs:
            if not is_served:
                _check_rules(settings, jobs, kind)  # a fault ends the command before it leaves a job
            number = None if is_served else _left_open(jobs, kind, arguments)
            if number is None:
                number = jobs.add(kind, arguments)
        try:
            while not (is_served and _wait(path, number, advance)):
                if is_served:
                    with Jobs(path) as jobs:
                        _check_rules(settings, jobs, kind)
                is_served = False
                try:
                    with naming(path):
                        asyncio.run(_do(settings, number, advance))
                    break
                except DatabaseInUseError:  # it was free a moment ago
                    is_served = True
        except Interrupted as interrupted:
            interrupted.effect = f"the {'server' if is_served else 'next start of the server'} goes on with it"
            raise
        with Jobs(path) as jobs:
            job = find(jobs, number)
    return done(job)


def _wait(path: Path, number: int, advance: Advance) -> bool:
    with Jobs(path) as jobs:  # closed before this process tries the lock
        return wait(jobs, number, path, advance)


def _check_rules(settings: Settings, jobs: Jobs, kind: str) -> None:
    """Refuse to empty segments of the rules that the server has, because the command does not know their file."""
    rules = load_rules(settings.rules.path, settings.limits)
    if kind != APPLY_RULES or settings.rules.path:
        return
    lost = jobs.segments_in_use() - set(rules.segments)
    if lost:
        raise CommandError(
            f"No server runs on {settings.database.path}, and no rules file is named: the built-in rules lack segments "
            f"that profiles are in ({', '.join(sorted(lost)[:10])}). Name the server's file with --rules; the built-in "
            f"one is {DEFAULT_RULES}."
        )


def _left_open(jobs: Jobs, kind: str, arguments: JsonObject) -> int | None:
    """The number of the same job that an interrupted command or a stopped server left, None if there is none."""
    for job in jobs.all():
        if job.state is JobState.OPEN and (job.kind, job.arguments) == (kind, arguments):
            return job.number
    return None


def find(jobs: Jobs, number: int) -> Job:
    """The job with this number. Raises CommandError when there is none any more."""
    for job in jobs.all():
        if job.number == number:
            return job
    raise CommandError(f"The job {number} is no longer in the file: later ones took its place.")


def done(job: Job) -> Job:
    """The job, which has ended. Raises CommandError when it failed."""
    if job.state is JobState.DONE:
        return job
    raise CommandError(job.result.get("error", "The job ended before it was done: see the errors above."))


def wait(jobs: Jobs, number: int, path: Path, advance: Advance) -> bool:
    """Wait until the server has done the job. Returns False when no server has held the file for a while."""
    held_at = time.monotonic()
    while (job := find(jobs, number)).state is JobState.OPEN:
        advance(job.done, job.total)
        if DatabaseLock(path).is_held():
            held_at = time.monotonic()
        elif time.monotonic() - held_at > SERVER_GONE_S:
            return False
        time.sleep(POLL_S)
    return True


async def _do(settings: Settings, number: int, advance: Advance) -> None:
    """Do all open jobs, as a server that takes no calls, until this one has ended."""
    configure_logging("warning", settings.log.format)
    quiet = settings.model_copy(update={"log": settings.log.model_copy(update={"level": "warning"})})
    with assemble(quiet, load_rules(settings.rules.path, settings.limits)) as assembly:
        async with assembly.application.lifespan():
            with Jobs(settings.database.path) as jobs:
                while (job := find(jobs, number)).state is JobState.OPEN:
                    advance(job.done, job.total)
                    await asyncio.sleep(POLL_S)
