"""The Tracker, over real stores and writers where it matters."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.faulty_store import FaultyStore
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.running_tracker import RunningTracker, reason
from trackd.actors.messages import Reason, Refused
from trackd.actors.tracker import Tracker
from trackd.actors.wiring import new_id
from trackd.config.settings import Retention
from trackd.core.calls import Tracked
from trackd.core.changes import Change
from trackd.core.documents import timestamp
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.store import Store
from trackd.storage.workers.writer_thread import WriterThread
from trackd.storage.writer import Committed


async def test_calls_are_answered_once_they_are_committed() -> None:
    store = Make.store()

    tracker = Tracker(store)
    await tracker.start()
    answers = await asyncio.gather(*(tracker.ask(Make.call(f"S{n % 3}"), 10) for n in range(30)))
    await tracker.stop()
    ended = tracker.writer_ended

    assert all(isinstance(answer, Tracked) for answer in answers)
    assert sorted(profile.seq for profile in store.profiles.values()) == [10, 10, 10]
    assert ended


async def test_with_a_real_file_every_answer_is_true(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Make.source())
    store = SqliteStore(path)

    tracker = Tracker(store)
    await tracker.start()

    async def client(n: int) -> list[Any]:
        return [await tracker.ask(Make.call(f"S{n % 4}", 2, context={"n": n}), 100) for _ in range(10)]

    answers = await asyncio.gather(*(client(n) for n in range(12)))
    await tracker.stop()
    store.close()

    store = SqliteStore(path)
    by_profile: dict[str, list[int]] = {}
    for answer in itertools.chain(*answers):
        by_profile.setdefault(answer.profile_id, []).extend(event.seq for event in answer.events)
    assert len(by_profile) == 4
    for profile_id, numbers in by_profile.items():
        assert sorted(numbers) == list(range(1, 61))
        profile = store.profile(profile_id)
        assert profile is not None
        assert profile.seq == 60
        assert profile.doc["stats"]["visits"] == 1
    sessions = [store.session(f"S{n}") for n in range(4)]
    assert {session.profile_id for session in sessions if session} == set(by_profile)
    store.close()


async def test_a_tracker_is_ready_between_start_and_stop() -> None:
    tracker = Tracker(Make.store())
    seen = [(tracker.started_up, tracker.ready, tracker.stopping)]
    await tracker.start()
    seen.append((tracker.started_up, tracker.ready, tracker.stopping))
    tracker.refuse_calls()
    seen.append((tracker.started_up, tracker.ready, tracker.stopping))
    await tracker.stop()

    assert seen == [(False, False, False), (True, True, False), (True, False, True)]


async def test_a_caller_that_disconnects_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        cancelled, other = tracker.ask(Make.call("S", 2)), tracker.ask(Make.call("S"))
        cancelled.cancel()
        await tracker.commit_all()
        answer = other.result()

    assert [event.seq for event in answer.events] == [3]
    assert caplog.records == []


async def test_a_stop_answers_accepted_calls_and_refuses_later_ones() -> None:
    store = Make.store()

    async with RunningTracker(store) as tracker:
        pending = [tracker.ask(Make.call(f"S{n}")) for n in range(10)]
        stopping = asyncio.create_task(tracker.stop())
        await tracker.rest()
        late = tracker.ask(Make.call("late"))
        await tracker.commit_all()
        await stopping
        after = tracker.ask(Make.call("after"))
        pending, late, after = [future.result() for future in pending], late.result(), after.result()

    assert all(isinstance(answer, Tracked) for answer in pending)
    assert [reason(late), reason(after)] == [Reason.STOPPING] * 2
    assert len(store.events) == 10


async def test_a_stop_does_not_wait_for_ever_for_a_disk_that_hangs() -> None:
    store = Make.store(kind=FaultyStore)
    store.hold()
    writers: list[WriterThread] = []

    def make_writer(store: Store, committed: Committed) -> WriterThread:
        writers.append(WriterThread(store, committed))
        return writers[0]

    tracker = Tracker(store, make_writer=make_writer)
    await tracker.start()
    pending = [tracker.ask(Make.call(f"S{n}"), 0) for n in range(5)]
    await tracker.stop(timeout_s=0)
    ended = tracker.writer_ended
    store.release()
    assert await writers[0].close(10)
    answers, ended = [future.result() for future in pending], ended

    assert [reason(answer) for answer in answers] == [Reason.STOPPING] * 5
    assert not ended


async def test_a_stop_that_is_cancelled_ends_the_writer() -> None:
    store = Make.store(kind=FaultyStore)
    store.hold()
    tracker = Tracker(store)
    await tracker.start()
    pending = tracker.ask(Make.call("S"))
    stopping = asyncio.create_task(tracker.stop())
    await eventually(lambda: tracker.stopping and store.committing.is_set())

    stopping.cancel()
    store.release()
    with pytest.raises(asyncio.CancelledError):
        await stopping

    assert (tracker.writer_ended, tracker.started_up, pending.done()) == (True, False, True)


class EndedWriter(WriterThread):
    """Takes nothing once its end was requested, as a process whose stdin is closed."""

    is_ended = False

    def submit(self, batch: Sequence[Change]) -> None:
        if self.is_ended:
            raise RuntimeError
        super().submit(batch)

    async def close(self, timeout_s: float) -> bool:
        self.is_ended = True
        return await super().close(timeout_s)


async def test_a_stop_within_a_sweep_of_the_retention_begins_no_other_step(caplog: pytest.LogCaptureFixture) -> None:
    store = Make.store(kind=FaultyStore)
    store.events = [Make.stored_event("A", seq, inserted="2026-01-01") for seq in range(2500)]
    store.events.append(Make.stored_event("A", 2500, inserted=timestamp(datetime.now(UTC))))
    store.hold()
    tracker = Tracker(store, make_writer=EndedWriter, retention=Retention(events_keep_days=1))
    await tracker.start()
    await eventually(store.committing.is_set)

    stopping = asyncio.create_task(tracker.stop())
    await eventually(lambda: tracker.stopping)
    store.release()
    await stopping

    assert len(store.events) == 1501
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_tracker_that_has_nothing_to_do_stops_at_once() -> None:
    tracker = Tracker(Make.store())
    await tracker.start()
    await tracker.stop(timeout_s=0)
    result = tracker.writer_ended, tracker.ready

    assert result == (True, False)


async def test_a_call_before_the_start_is_refused() -> None:
    tracker = Tracker(Make.store())
    try:
        result = await tracker.ask(Make.call(), 0)
    finally:
        await tracker.start()
        await tracker.stop()

    assert reason(result) is Reason.STOPPING


async def test_two_trackers_in_one_process_are_separate() -> None:
    one, two = Make.store(), Make.store()

    async with RunningTracker(one) as first, RunningTracker(two) as second:
        await first.answer(Make.call("S"))
        await second.answer(Make.call("S"))
        await second.answer(Make.call("S"))

    assert (len(one.events), len(two.events)) == (1, 2)


async def test_a_changed_source_is_seen_by_a_running_tracker(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Make.source())
    store = SqliteStore(path)

    tracker = Tracker(store)
    await tracker.start()
    before = await tracker.ask(Make.call(), 0)
    with Sources(path) as sources:
        sources.enable("source", False)
    while isinstance(answer := await tracker.ask(Make.call(), 0), Tracked):
        pass
    await tracker.stop()
    before, after = before, answer

    store.close()

    assert isinstance(before, Tracked)
    assert reason(after) is Reason.DISABLED_SOURCE


async def test_a_store_that_failed_makes_the_tracker_unready_until_it_works() -> None:
    store = Make.store(kind=FaultyStore)

    tracker = Tracker(store)
    await tracker.start()
    store.fail["commit"] = StoreError("the disk is full")
    refused = await tracker.ask(Make.call(), 0)
    ready_when_full = tracker.ready
    store.fail.clear()
    await eventually(lambda: tracker.ready, "the tracker is ready")
    answer = await tracker.ask(Make.call(), 0)
    await tracker.stop()
    refused, ready_when_full, answer = refused, ready_when_full, answer

    assert reason(refused) is Reason.STORE_FAILED
    assert not ready_when_full
    assert isinstance(answer, Tracked)


def test_new_ids_are_unique_and_ordered_by_time() -> None:
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {36}


def test_numbers_of_calls_are_never_the_same() -> None:
    tracker = Tracker(Make.store())

    numbers = [tracker.next_number() for _ in range(100)]

    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_tracker_stops_though_its_store_fails(fails: bool) -> None:
    store = Make.store(kind=FaultyStore)
    if fails:
        store.fail["commit"] = StoreError("the disk is full")

    tracker = Tracker(store)
    await tracker.start()
    pending = [tracker.ask(Make.call(f"S{n}"), 0) for n in range(5)]
    await tracker.stop()
    result = [future.result() for future in pending]

    kinds = {type(answer) for answer in result}

    assert kinds == {Refused if fails else Tracked}
