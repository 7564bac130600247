"""The application of the rules: a job that evaluates the segments of all profiles again, through their actors."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from trackd.actors.job_runner import JobFailedError, Save, ask_until_done
from trackd.actors.messages import Failed, Reevaluate, Reevaluated
from trackd.actors.tracker import Tracker
from trackd.config.errors import RulesError
from trackd.core.documents import JsonObject, timestamp
from trackd.core.jobs import APPLY_RULES, Job, JobState
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.listings import QueryPool

log = logging.getLogger(__name__)

PAGE = 256  # profiles between two writes of the progress
AT_ONCE = 16  # profiles in flight, so many calls at most wait behind them


class RulesApplication:
    """A `Kind` of job. It reads the rules file again first, and begins anew when the segments change meanwhile.

    A job's position has the fingerprint of the segments (`rules`), the last profile that is done (`after`) and the last
    one to do (`up_to`): profiles that calls make later are under these rules anyway. Its result has the segments, and
    their fingerprint too.
    """

    def __init__(
        self, tracker: Tracker, queries: QueryPool, load_rules: Callable[[], RuleSet], *, after_change: bool
    ) -> None:
        """`load_rules` reads the rules file. `after_change`: a job is due after each change of the segments."""
        self._tracker = tracker
        self._queries = queries
        self._load_rules = load_rules
        self._after_change = after_change
        self._tried: str | None = None  # the segments in force when a job began last: it may have failed

    def due(self, jobs: Sequence[Job]) -> bool:
        applications = [job for job in jobs if job.kind == APPLY_RULES]
        if not self._after_change or any(job.state is JobState.OPEN for job in applications):
            return False
        fingerprint = self._fingerprint()
        applied = applications[-1].result.get("rules") if applications else None
        return fingerprint not in (applied, self._tried)

    async def do(self, job: Job, save: Save) -> Job:
        self._tried = self._fingerprint()
        self._use_rules_of_file()
        while True:
            if job.position.get("rules") != self._fingerprint():
                job = await self._begun(job)
                await save(job)
            position = job.position
            ids = await self._queries.read("profile_ids", position["after"], PAGE, False)
            ids = [profile_id for profile_id in ids if profile_id <= position["up_to"]]
            if not ids:
                log.info("the rules are applied to %d profiles", job.done)
                return job
            job = await self._page(job, ids)
            await save(job)

    def _use_rules_of_file(self) -> None:
        try:
            rules = self._load_rules()
        except RulesError as error:
            raise JobFailedError(f"The rules are unchanged, and were not applied: {error}") from error
        if rules.fingerprint != self._tracker.rules.fingerprint:
            self._tracker.use_rules(rules)
            log.info("the rules are reloaded, to be applied to all profiles")

    def _fingerprint(self) -> str:
        return self._tracker.rules.segments_fingerprint.hex()

    async def _begun(self, job: Job) -> Job:
        """The job at its begin, under the rules in force."""
        fingerprint, segments = self._fingerprint(), self._tracker.rules.segments.values()
        last = await self._queries.read("profile_ids", "", 1, True)
        total = await self._queries.read("count", "profile")
        log.info("applying the rules to %d profiles", total)
        return replace(
            job,
            done=0,
            total=total,
            position={"rules": fingerprint, "after": "", "up_to": last[0] if last else ""},
            result={
                "rules": fingerprint,
                "evaluated": [segment.id for segment in segments if segment.condition.reads_profile_only],
                "not_evaluated": [segment.id for segment in segments if not segment.condition.reads_profile_only],
                "entered": {},
                "left": {},
                "failed": {},
                "faults": 0,
            },
        )

    async def _page(self, job: Job, ids: Sequence[str]) -> Job:
        """Re-evaluate some profiles, a few at a time. Waits as long as it worked while calls wait."""
        loop, rules, now = asyncio.get_running_loop(), self._tracker.rules, timestamp(datetime.now(UTC))
        result = job.result
        for begin in range(0, len(ids), AT_ONCE):
            began = loop.time()
            tasks = []
            for profile_id in ids[begin : begin + AT_ONCE]:
                tasks.append(asyncio.create_task(self._reevaluated(profile_id, rules, now)))
                await asyncio.sleep(0)  # a large profile takes long, and calls pass between two of them
            for answer in await asyncio.gather(*tasks):
                result = _counted(result, answer)
            if self._tracker.queue.calls:
                await asyncio.sleep(loop.time() - began)
        return replace(job, done=job.done + len(ids), position={**job.position, "after": ids[-1]}, result=result)

    async def _reevaluated(self, profile_id: str, rules: RuleSet, now: str) -> Reevaluated | Failed:
        return await ask_until_done(self._tracker, lambda number: Reevaluate(number, profile_id, rules, now))


def _counted(result: JsonObject, answer: Reevaluated | Failed) -> JsonObject:
    """The result with one more answer."""
    if isinstance(answer, Failed):
        return {**result, "faults": result["faults"] + 1}
    for change in answer.segment_changes:
        outcome = "failed" if change.failed is not None else "entered" if change.entered else "left"
        counts = result[outcome]
        result = {**result, outcome: {**counts, change.segment: counts.get(change.segment, 0) + 1}}
    return result
