"""Whole load tests, against the server and against one that breaks its promises."""

import asyncio
import contextlib
import dataclasses
import gc
import os
import signal
import time
from asyncio.streams import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.load.raw_server import Answer, BusyError, Damage, GoneError, answering, nothing
from tests.support.database import execute, rows
from tests.support.payloads import SOURCE_ID
from tests.support.polling import WITHIN_S
from tests.support.process import Process
from trackd.core.documents import Source
from trackd.load.errors import LoadError
from trackd.load.history import CUT, NONE, OK
from trackd.load.measures import Interval, Measures
from trackd.load.run import Plan, Result, run
from trackd.load.target import Target
from trackd.load.verdict import Rule
from trackd.load.workload import Mix
from trackd.storage.sqlite.sources import Sources

MIX = Mix(clients=16, profiles=20, sessions_per_profile=3, hot=20, retries=20, first_calls=30, seed=1)


class Silent:
    """Shows nothing, and counts the intervals."""

    def __init__(self) -> None:
        self.intervals = 0

    def interval(self, interval: Interval, measures: Measures) -> None:
        self.intervals += 1

    @contextlib.contextmanager
    def reading(self, profiles: int) -> Iterator[Any]:
        yield lambda done: None


def plan(url: str, calls: int | None = 400, **more: Any) -> Plan:
    return Plan(Target.at(url), SOURCE_ID, more.pop("mix", MIX), events_per_call=3, calls=calls, **more)


async def against(damage: Damage, calls: int | None = 400, **more: Any) -> Result:
    async with answering(damage) as url:
        return await run(plan(url, calls, **more), Silent())


@pytest.fixture
async def on_trackd(anyio_backend: object, serve: Callable[..., Process]) -> tuple[Result, Path]:
    """A result on the real server, read back with its token, and the file."""
    server = serve()
    return await run(plan(server.url, 600, token=server.token), Silent()), server.db


async def test_garbage_is_collected_before_and_after_the_load_and_not_during_it() -> None:
    class Observing(Silent):
        def __init__(self) -> None:
            super().__init__()
            self.collects: set[bool] = set()

        def interval(self, interval: Interval, measures: Measures) -> None:
            self.collects.add(gc.isenabled())
            os.kill(os.getpid(), signal.SIGINT)

    observing = Observing()

    async with answering(nothing) as url:
        await run(plan(url, None, duration_s=60.0), observing)
    assert observing.collects == {False}
    assert gc.isenabled()


def test_the_server_keeps_its_promises_under_every_kind_of_call(on_trackd: tuple[Result, Path]) -> None:
    result, db = on_trackd

    assert result.verdict.counts == {}
    assert result.verdict.read_back
    history = result.history
    assert set(history.call) == set(range(600))
    assert set(history.status) == {OK, CUT}
    assert result.measures.retries > result.measures.cut > 0
    [count] = rows(db, "SELECT count(*) AS n FROM event WHERE id LIKE ?", f"{history.run}-%")
    assert count["n"] == 3 * 600


def test_some_sessions_begin_with_calls_that_are_all_sent_before_the_first_answer(
    on_trackd: tuple[Result, Path],
) -> None:
    history = on_trackd[0].history
    first_answer: dict[int, float] = {}
    for attempt in sorted(range(len(history)), key=history.answered.__getitem__):
        first_answer.setdefault(history.session[attempt], history.answered[attempt])
    early = Counter(
        session
        for session, sent, claimed in zip(history.session, history.sent, history.claimed, strict=True)
        if claimed == NONE and sent < first_answer[session]
    )
    assert sum(count >= 5 for count in early.values()) > 5


async def test_the_read_back_finds_that_an_answered_event_is_missing(
    serve: Callable[..., Process],
) -> None:
    server = serve()

    class Erasing(Silent):
        @contextlib.contextmanager
        def reading(self, profiles: int) -> Iterator[Any]:
            execute(server.db, "DELETE FROM event WHERE number = (SELECT max(last_event) FROM profile)")
            yield lambda done: None

    result = await run(plan(server.url, 100, token=server.token), Erasing())

    assert set(result.verdict.counts) == {Rule.READ_BACK}


def doubled(answer: Answer) -> None:
    if 200 <= answer.call < 210:
        answer.seq = [1, 2, 3]


def not_numbered(answer: Answer) -> None:
    if 200 <= answer.call < 210:  # the answer to one call may go to a connection that was cut
        answer.ids, answer.seq = answer.ids[:2], answer.seq[:2]


def moved(answer: Answer) -> None:
    if 200 <= answer.call < 210:  # the answer to one call may go to a connection that was cut
        answer.profile = "another"


def skipped(answer: Answer) -> None:
    answer.seq = [seq + 3 if seq > 30 else seq for seq in answer.seq]


def saved_again(answer: Answer) -> None:
    answer.saved = 3


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (doubled, Rule.UNIQUE),
        (doubled, Rule.ORDER),
        (not_numbered, Rule.NUMBERED),
        (moved, Rule.ONE_PROFILE),
        (skipped, Rule.NO_GAP),
        (saved_again, Rule.RETRIES),
    ],
)
async def test_a_server_that_breaks_a_promise_is_reported(damage: Damage, rule: Rule) -> None:
    result = await against(damage, mix=dataclasses.replace(MIX, profiles=5, sessions_per_profile=1))
    assert rule in result.verdict.counts
    assert result.verdict.shortest is not None
    assert 1 <= len(result.verdict.shortest.attempts) <= 2


async def test_the_raw_server_breaks_no_promise_by_itself() -> None:
    assert (await against(nothing)).verdict.counts == {}


async def test_a_server_that_answers_503_is_called_again_and_violates_nothing() -> None:
    def busy(answer: Answer) -> None:
        if answer.call in (10, 20):
            raise BusyError

    result = await against(busy, calls=100, mix=dataclasses.replace(MIX, retries=0))

    assert result.verdict.counts == {}
    assert result.measures.statuses == {OK: 100, 503: 2}
    assert result.measures.retries == 2
    assert result.measures.duration_s >= 1


async def test_the_same_seed_draws_the_same_calls() -> None:
    async def sessions(seed: int) -> dict[int, int]:
        history = (await against(nothing, mix=dataclasses.replace(MIX, clients=1, seed=seed))).history
        return dict(zip(history.call, history.session, strict=True))

    one, other, another = [await sessions(seed) for seed in (7, 7, 8)]
    assert one == other != another


async def test_calls_of_an_open_loop_that_wait_for_a_client_count_from_when_they_were_due() -> None:
    """The server stalls once for 0.3 s: with one client all the calls that were due meanwhile wait."""
    stalled = asyncio.Event()

    def stall(answer: Answer) -> None:
        if answer.call == 20:
            ends = time.perf_counter() + 0.3
            while time.perf_counter() < ends:
                pass
            stalled.set()

    async with answering(stall) as url:
        mix = dataclasses.replace(MIX, clients=1, retries=0, first_calls=0)
        result = await run(plan(url, 150, mix=mix, rate=200.0), Silent())
        assert stalled.is_set()

    assert result.measures.answers == 150
    assert result.measures.percentile_ms(100) > 250
    assert result.measures.percentile_ms(80) > 100
    assert result.measures.duration_s > 0.7


async def test_a_run_ends_after_its_duration_and_counts_the_calls_that_were_never_sent() -> None:
    def slow(answer: Answer) -> None:
        ends = time.monotonic() + 0.02
        while time.monotonic() < ends:
            pass

    mix = dataclasses.replace(MIX, clients=1, retries=0, first_calls=0)
    result = await against(slow, calls=None, mix=mix, duration_s=0.5, rate=200.0)
    assert 0.5 <= result.measures.duration_s < 30  # without an end it would go on for ever
    assert 50 < result.measures.late < 100


async def test_a_server_that_stops_answering_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackd.load.driver.SILENT_S", 1.0)

    async with contextlib.AsyncExitStack() as stack:

        def leave(answer: Answer) -> None:
            if answer.call > 50:
                raise GoneError

        url = await stack.enter_async_context(answering(leave))
        result = await run(plan(url, 100, mix=dataclasses.replace(MIX, retries=0)), Silent())
    assert result.server_gone
    assert result.verdict.counts == {}
    assert 0 < result.measures.answers < 100


@pytest.mark.parametrize(
    ("answered", "sentence"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "is answered 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not as trackd answers"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "No server answers"),
    ],
)
async def test_another_server_than_trackd_is_refused_before_the_run_begins(answered: bytes, sentence: str) -> None:
    async def load() -> None:
        async def answer(reader: StreamReader, writer: StreamWriter) -> None:
            await reader.readuntil(b"]}")
            writer.write(answered)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            await run(plan("http://{}:{}".format(*server.sockets[0].getsockname())), Silent())

    with pytest.raises(LoadError, match=sentence):
        await load()


async def test_a_source_that_requires_consent_is_refused(serve: Callable[..., Process]) -> None:
    server = serve()
    with Sources(server.db) as sources:
        sources.add(Source("strict", "strict", consent=True))

    async def load() -> None:
        await run(dataclasses.replace(plan(server.url), source_id="strict"), Silent())

    async def until_the_server_has_the_source() -> None:
        while True:
            try:
                await load()
            except LoadError as error:
                if "Invalid event source" not in str(error):
                    raise

    with pytest.raises(LoadError, match="requires consent"):
        await asyncio.wait_for(until_the_server_has_the_source(), WITHIN_S)


async def test_an_interrupted_run_is_judged(serve: Callable[..., Process]) -> None:
    server = serve()

    class Interrupting(Silent):
        def interval(self, interval: Interval, measures: Measures) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    result = await run(plan(server.url, None, duration_s=60.0, token=server.token), Interrupting())

    assert result.measures.duration_s < 30
    assert result.verdict.read_back
    assert result.verdict.counts == {}
