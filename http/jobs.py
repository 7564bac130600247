"""The jobs of a server, and their place in the lifespan of its application."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from trackd.actors.job_runner import JobRunner, Kind
from trackd.actors.profile_erasure import ProfileErasure
from trackd.actors.rules_application import RulesApplication
from trackd.actors.tracker import Tracker
from trackd.config.settings import Settings
from trackd.core.jobs import APPLY_RULES, ERASE_PROFILE, Job
from trackd.http.app import Application
from trackd.http.rules_loading import load_rules
from trackd.storage.listings import QueryPool
from trackd.storage.store import Duty, Reads


def job_runner(settings: Settings, tracker: Tracker, reads: Reads, queries: QueryPool) -> JobRunner:
    """The runner of all kinds of jobs."""
    application = RulesApplication(
        tracker,
        queries,
        lambda: load_rules(settings.rules.path, settings.limits),
        after_change=settings.rules.apply_after_change == "on",
    )
    kinds: dict[str, Kind] = {APPLY_RULES: application, ERASE_PROFILE: ProfileErasure(tracker)}

    def jobs() -> Sequence[Job] | None:
        return reads.jobs() if reads.has_duty(Duty.JOBS) else None

    return JobRunner(tracker, jobs, kinds)


def with_jobs(application: Application, jobs: JobRunner) -> Application:
    """The application, whose lifespan does jobs too."""

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with application.lifespan(), jobs.running():
            yield

    return application._replace(lifespan=lifespan)
