"""The job that applies rules to all profiles, with the real actors and a real file."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.core.person import rules
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.stores import existing
from trackd.actors import job_runner
from trackd.actors.job_runner import JobRunner
from trackd.actors.messages import Administer, Reevaluate, Refused
from trackd.actors.rules_application import AT_ONCE, PAGE, RulesApplication
from trackd.actors.tracker import Tracker
from trackd.config.errors import RulesError
from trackd.core.changes import Changes, Fence, Outcome
from trackd.core.jobs import APPLY_RULES, AddJob, Job, JobState
from trackd.core.rules.ruleset import RuleSet
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.query_pool import QueryThreads

NONE = rules()
SPENDERS = {"name": "Big spender", "when": "profile.traits.private.revenue >= 100.0"}
VIEWERS = {"name": "Viewers", "when": "profile.stats.views >= 1"}
CALLERS = {"name": "Callers", "when": "session.id != ''"}


def person(number: int, members: Sequence[str] = ()) -> Changes:
    """Each third one has spent much."""
    traits = {"public": {}, "private": {"revenue": 150.0 if number % 3 == 0 else 50.0}}
    return Make.change(f"p{number:05}", traits=traits, segments=[*members])


class Server:
    """The parts of a server that do jobs. `rules_file` is the content of its rules file, or the fault of it.

    `most_queued` is the largest queue that a request found since `hold`.
    """

    def __init__(self, store: SqliteStore, queries: QueryThreads, in_force: RuleSet, after_change: bool) -> None:
        self.store = store
        self.most_queued = 0
        self.rules_file: RuleSet | RulesError = in_force
        self.tracker = Tracker(store, rules=in_force)
        self.application = RulesApplication(self.tracker, queries, self._load, after_change=after_change)
        self.runner = JobRunner(self.tracker, store.jobs, {APPLY_RULES: self.application})

    def hold(self, after: int) -> None:
        """From now on re-evaluations are answered only up to this number of them, and the others after `release`."""
        ask, passed = self.tracker.ask, itertools.count()
        self._released = asyncio.Event()

        def held(request: Any, size: int = 0) -> Any:
            self.most_queued = max(self.most_queued, self.tracker.queue.calls)
            if not isinstance(request, Reevaluate) or next(passed) < after:
                return ask(request, size)
            return asyncio.ensure_future(self._later(ask, request))

        self.tracker.ask = held  # type: ignore[method-assign]

    async def _later(self, ask: Callable[..., Any], request: Any) -> Any:
        await self._released.wait()
        return await ask(request)

    def release(self) -> None:
        self._released.set()

    def _load(self) -> RuleSet:
        if isinstance(self.rules_file, RulesError):
            raise self.rules_file
        return self.rules_file

    async def add_job(self) -> None:
        await self.tracker.ask(Administer(self.tracker.next_number(), AddJob(APPLY_RULES, {}, Make.now)))

    async def ended(self, number: int = 0) -> Job:
        """The job at this place, once it has ended."""

        def found() -> Job | None:
            jobs = self.store.jobs()
            return jobs[number] if len(jobs) > number and jobs[number].state is not JobState.OPEN else None

        return await eventually(found, "the job has ended")

    def members(self, segment: str) -> int:
        with contextlib.closing(self.store.listings()) as listings:
            return listings.segment_members().get(segment, 0)


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "POLL_S", 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "trackd.db", synchronous="OFF")
    yield store
    store.close()


@contextlib.asynccontextmanager
async def running(store: SqliteStore, in_force: RuleSet = NONE, after_change: bool = False) -> AsyncIterator[Server]:
    listings: SqliteListings = store.listings()
    queries = QueryThreads(listings)
    server = Server(store, queries, in_force, after_change)
    await server.tracker.start()
    try:
        async with server.runner.running():
            yield server
    finally:
        await server.tracker.stop()
        await queries.close()
        listings.close()


async def test_all_profiles_are_evaluated_under_the_rules_of_the_file(store: SqliteStore) -> None:
    number = PAGE + 2 * AT_ONCE + 1
    store.commit([person(n, ["gone"] if n < 5 else []) for n in range(number)])
    async with running(store) as server:
        server.rules_file = rules(segment=[SPENDERS, VIEWERS, CALLERS])
        await server.add_job()
        job = await server.ended()

        fitting = len(range(0, number, 3))
        assert (job.state, job.done, job.total) == (JobState.DONE, number, number)
        assert job.result["entered"] == {"big-spender": fitting}
        assert job.result["left"] == {"gone": 5}
        assert (job.result["evaluated"], job.result["not_evaluated"]) == (["big-spender", "viewers"], ["callers"])
        assert (job.result["failed"], job.result["faults"]) == ({}, 0)
        assert (server.members("big-spender"), server.members("gone")) == (fitting, 0)
        assert server.tracker.rules is server.rules_file


async def test_the_second_application_changes_nothing(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(10)])
    async with running(store, rules(segment=[SPENDERS])) as server:
        await server.add_job()
        await server.ended()
        revisions = [existing(store.profile(f"p{n:05}")).revision for n in range(10)]
        await server.add_job()
        job = await server.ended(1)
        assert (job.done, job.result["entered"], job.result["left"]) == (10, {}, {})
        assert [existing(store.profile(f"p{n:05}")).revision for n in range(10)] == revisions
        assert revisions == [2, 1, 1, 2, 1, 1, 2, 1, 1, 2]


async def test_a_job_that_was_interrupted_goes_on_where_it_was(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(3 * PAGE)])
    in_force = rules(segment=[SPENDERS])
    async with running(store, in_force) as server:
        server.hold(after=PAGE + AT_ONCE)
        await server.add_job()
        await eventually(lambda: store.jobs()[0].done == PAGE, "a page is done")
    [stopped] = store.jobs()
    assert (stopped.state, stopped.done, stopped.position["after"]) == (JobState.OPEN, PAGE, f"p{PAGE - 1:05}")
    async with running(store, in_force) as server:
        server.hold(after=2 * PAGE)  # no more than what is left
        job = await server.ended()
        assert (job.done, job.total) == (3 * PAGE, 3 * PAGE)
        assert server.members("big-spender") == PAGE


async def test_a_job_begins_anew_when_the_segments_change_meanwhile(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(2 * PAGE)])
    async with running(store, rules(segment=[VIEWERS])) as server:
        server.hold(after=PAGE)
        await server.add_job()
        await eventually(lambda: store.jobs()[0].done == PAGE, "a page is done")
        server.tracker.use_rules(rules(segment=[SPENDERS]))
        server.release()
        job = await server.ended()
        assert (job.done, job.result["evaluated"]) == (2 * PAGE, ["big-spender"])
        assert server.members("big-spender") == len(range(0, 2 * PAGE, 3))


async def test_a_rules_file_with_a_fault_fails_the_job_and_changes_nothing(store: SqliteStore) -> None:
    store.commit([person(0)])
    in_force = rules(segment=[SPENDERS])
    async with running(store, in_force) as server:
        server.rules_file = RulesError("rules.toml: it is not valid TOML: line 3.")
        await server.add_job()
        job = await server.ended()
        assert job.state is JobState.FAILED
        fault = "The rules are unchanged, and were not applied: rules.toml: it is not valid TOML: line 3."
        assert job.result == {"error": fault}
        assert server.tracker.rules is in_force
        assert server.members("big-spender") == 0


async def test_few_profiles_are_in_flight_and_calls_are_answered_meanwhile(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(PAGE)])
    async with running(store, rules(segment=[SPENDERS])) as server:
        server.hold(after=AT_ONCE + 1)
        await server.add_job()
        await eventually(lambda: store.jobs()[0].total, "the job has begun")
        call = await server.tracker.ask(Make.call())
        assert isinstance(call, Refused)  # the source is unknown: it reached the actors
        assert server.tracker.queue.calls <= AT_ONCE
        server.release()
        assert (await server.ended()).done == PAGE
        assert server.most_queued <= AT_ONCE


async def test_calls_pass_between_two_re_evaluations_of_which_each_may_take_long(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(2 * AT_ONCE)])
    rounds: list[int] = []
    began: list[int] = []
    loop = asyncio.get_running_loop()

    def next_round() -> None:
        rounds.append(len(rounds))
        loop.call_soon(next_round)

    next_round()
    async with running(store, rules(segment=[SPENDERS])) as server:
        ask = server.tracker.ask

        def noted(request: Any, size: int = 0) -> Any:
            if isinstance(request, Reevaluate):
                began.append(rounds[-1])
            return ask(request, size)

        server.tracker.ask = noted  # type: ignore[method-assign]
        await server.add_job()
        await server.ended()
    assert len(began) == len(set(began)) == 2 * AT_ONCE


async def test_a_profile_that_cannot_be_evaluated_does_not_end_the_job(store: SqliteStore) -> None:
    store.commit([person(0), Make.change("p00001"), person(3)])
    store.commit([Changes(Fence("p00001", 0, 1), Make.profile("p00001", revision=2, segments=None))])
    async with running(store, rules(segment=[SPENDERS])) as server:
        await server.add_job()
        job = await server.ended()
    assert (job.state, job.done, job.result["faults"]) == (JobState.DONE, 3, 1)
    assert job.result["entered"] == {"big-spender": 2}


async def test_with_the_setting_a_change_of_the_segments_is_applied_once(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(6)])
    first, second = rules(segment=[VIEWERS]), rules(segment=[VIEWERS, SPENDERS])
    async with running(store, first, after_change=True) as server:
        assert (await server.ended()).result["evaluated"] == ["viewers"]
        server.rules_file = second
        server.tracker.use_rules(second)
        assert (await server.ended(1)).result["entered"] == {"big-spender": 2}
    async with running(store, second, after_change=True) as server:
        other_rules = rules(segment=[VIEWERS, SPENDERS], unwanted=[{"name": "u", "types": ["u"]}])
        server.rules_file = other_rules
        server.tracker.use_rules(other_rules)
        await server.add_job()
        await server.ended(2)
        assert len(store.jobs()) == 3


async def test_without_the_setting_nothing_is_applied_unasked(store: SqliteStore) -> None:
    async with running(store, rules(segment=[SPENDERS])) as server:
        assert not server.application.due(store.jobs())
    assert store.jobs() == []


async def test_no_job_is_done_while_the_store_refuses_and_all_are_done_later(store: SqliteStore) -> None:
    store.commit([person(n) for n in range(6)])
    async with running(store, rules(segment=[SPENDERS])) as server:
        store._writer._db.execute("PRAGMA query_only = ON")
        with contextlib.closing(SqliteStore(server.store.path)) as other:
            assert other.commit([AddJob(APPLY_RULES, {}, Make.now)]) == [Outcome.STORED]
        await eventually(lambda: server.tracker.tally.failed_commits > 0, "a commit failed")
        assert server.members("big-spender") == 0
        store._writer._db.execute("PRAGMA query_only = OFF")
        assert (await server.ended()).result["entered"] == {"big-spender": 2}
