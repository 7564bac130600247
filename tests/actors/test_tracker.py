import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.actors.conftest import Scene
from tests.support.making import Make
from trackd.actors.messages import Reason, Refused
from trackd.actors.tracker import Tracker, new_id
from trackd.config.settings import Limits
from trackd.core.calls import Tracked
from trackd.core.changes import Changes, Outcome
from trackd.core.documents import Source
from trackd.storage.errors import StoreError
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.workers.writer_thread import WriterThread


class HangingStore(MemoryStore):
    """A disk that does not come back until it is told."""

    def __init__(self, sources: list[Source] = ()) -> None:
        super().__init__(sources)
        self.go_on = threading.Event()

    def commit(self, batch: list[Changes]) -> list[Outcome]:
        self.go_on.wait(10)
        return super().commit(batch)


class FullStore(MemoryStore):
    full = False

    def commit(self, batch: list[Changes]) -> list[Outcome] | None:
        if self.full:
            raise StoreError("the disk is full")
        return super().commit(batch)


async def run(story: Any) -> Any:
    return await story


async def until(condition: Callable[..., Any]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def reason(answer: Refused | Tracked) -> Reason | None:
    return answer.reason if isinstance(answer, Refused) else None


async def test_calls_are_answered_once_they_are_committed(make: type[Make]) -> None:
    store = make.store()

    async def story() -> tuple[list[Tracked], bool]:
        tracker = Tracker(store)
        await tracker.start()
        answers = await asyncio.gather(*(tracker.ask(make.call(f"S{n % 3}"), 10) for n in range(30)))
        await tracker.stop()
        return answers, tracker.writer_ended

    answers, ended = await run(story())

    assert all(isinstance(answer, Tracked) for answer in answers)
    assert sorted(profile.seq for profile in store.profiles.values()) == [10, 10, 10]
    assert ended


async def test_with_a_real_file_every_answer_is_true(make: type[Make], tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(make.source())
    store = SqliteStore(path)

    async def story() -> list[Tracked]:
        tracker = Tracker(store)
        await tracker.start()

        async def client(n: int) -> list[Tracked]:
            return [await tracker.ask(make.call(f"S{n % 4}", 2, context={"n": n}), 100) for _ in range(10)]

        answers = await asyncio.gather(*(client(n) for n in range(12)))
        await tracker.stop()
        return [answer for part in answers for answer in part]

    answers = await run(story())
    store.close()

    store = SqliteStore(path)
    by_profile = {}
    for answer in answers:
        by_profile.setdefault(answer.profile_id, []).extend(event.seq for event in answer.events)
    assert len(by_profile) == 4
    for profile_id, numbers in by_profile.items():
        assert sorted(numbers) == list(range(1, 61))
        assert store.profile(profile_id).seq == 60
        assert store.profile(profile_id).doc["stats"]["visits"] == 1
    assert {store.session(f"S{n}").profile_id for n in range(4)} == set(by_profile)
    store.close()


async def test_a_tracker_is_ready_between_start_and_stop(make: type[Make]) -> None:
    async def story() -> list[tuple[bool, bool, bool]]:
        tracker = Tracker(make.store())
        seen = [(tracker.started_up, tracker.ready, tracker.stopping)]
        await tracker.start()
        seen.append((tracker.started_up, tracker.ready, tracker.stopping))
        tracker.refuse_calls()
        seen.append((tracker.started_up, tracker.ready, tracker.stopping))
        await tracker.stop()
        return seen

    assert await run(story()) == [(False, False, False), (True, True, False), (True, False, True)]


async def test_past_the_bound_of_calls_more_are_refused_until_there_is_room(
    make: type[Make], scene: type[Scene]
) -> None:
    async def story() -> tuple[list[Refused], list[Tracked], Tracked]:
        async with scene(make.store(), limits=Limits(max_queued_calls=3)) as stage:
            asked = [stage.ask(make.call(f"S{n}")) for n in range(5)]
            refused = [future.result() for future in asked if future.done()]
            await stage.commit_all()
            return refused, [future.result() for future in asked[:3]], await stage.answer(make.call("S"))

    refused, taken, later = await run(story())

    assert [reason(answer) for answer in refused] == [Reason.OVERLOADED] * 2
    assert all(answer.retry_after_s for answer in refused)
    assert all(isinstance(answer, Tracked) for answer in [*taken, later])


async def test_past_the_bound_of_bytes_more_are_refused_until_there_is_room(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async def story() -> tuple[list[bool], list[Any], Tracked]:
        async with scene(store, limits=Limits(max_queued_bytes=1024)) as stage:
            asked = [stage.ask(make.call("S"), size) for size in (1000, 25, 24, 1)]
            done = [future.done() for future in asked]
            await stage.commit_all()
            later = stage.ask(make.call("S"), 1024)
            await stage.commit_all()
            return done, [future.result() for future in asked], later.result()

    done, answers, later = await run(story())

    assert done == [False, True, False, True]
    assert [reason(answer) for answer in answers] == [None, Reason.OVERLOADED, None, Reason.OVERLOADED]
    assert isinstance(later, Tracked)
    assert len(store.events) == 3


async def test_a_refused_call_makes_room_too(make: type[Make], scene: type[Scene]) -> None:
    async def story() -> Tracked:
        async with scene(make.store(), limits=Limits(max_queued_calls=1, max_queued_bytes=1024)) as stage:
            for _ in range(3):
                unknown = stage.ask(make.call(source_id="nobody"), 1024)
                assert reason(unknown.result()) is Reason.UNKNOWN_SOURCE
                lost = stage.ask(make.call("S"), 1024)
                await stage.fail()
                assert reason(lost.result()) is Reason.STORE_FAILED
            return await stage.answer(make.call("S"))

    assert isinstance(await run(story()), Tracked)


async def test_a_call_that_the_disk_keeps_waiting_is_told_so_and_still_stored_whole(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()
    at_once = Limits().model_copy(update={"call_timeout_s": 0})

    async def story() -> tuple[list[Refused], Tracked]:
        async with scene(store, limits=at_once) as stage:
            asked = [stage.ask(make.call("S", 2)) for _ in range(2)]
            timed_out = await asyncio.gather(*asked)
            await stage.commit_all()
            return timed_out, await stage.answer(make.call("S"))

    timed_out, later = await run(story())

    assert [reason(answer) for answer in timed_out] == [Reason.TIMED_OUT] * 2
    assert all(answer.retry_after_s for answer in timed_out)
    assert [event.seq for event in later.events] == [5]
    assert len(store.events) == 5


async def test_a_call_that_timed_out_takes_its_place_until_the_disk_is_done_with_it(
    make: type[Make], scene: type[Scene]
) -> None:
    at_once = Limits(max_queued_calls=1).model_copy(update={"call_timeout_s": 0})

    async def story() -> tuple[Refused, Tracked]:
        async with scene(make.store(), limits=at_once) as stage:
            await stage.ask(make.call("S"))
            refused = stage.ask(make.call("S")).result()
            await stage.commit_all()
            return refused, await stage.answer(make.call("S"))

    refused, later = await run(story())

    assert reason(refused) is Reason.OVERLOADED
    assert isinstance(later, Tracked)


async def test_a_caller_that_is_gone_changes_nothing(
    make: type[Make], scene: type[Scene], caplog: pytest.LogCaptureFixture
) -> None:
    store = make.store()

    async def story() -> Tracked:
        async with scene(store) as stage:
            gone, stays = stage.ask(make.call("S", 2)), stage.ask(make.call("S"))
            gone.cancel()
            await stage.commit_all()
            return stays.result()

    answer = await run(story())

    assert [event.seq for event in answer.events] == [3]
    assert caplog.records == []


async def test_stopping_answers_everybody_that_was_taken_and_refuses_the_rest(
    make: type[Make], scene: type[Scene]
) -> None:
    store = make.store()

    async def story() -> tuple[list[Tracked], Refused, Refused]:
        async with scene(store) as stage:
            asked = [stage.ask(make.call(f"S{n}")) for n in range(10)]
            stopping = asyncio.create_task(stage.tracker.stop())
            await stage.rest()
            late = stage.ask(make.call("late"))
            await stage.commit_all()
            await stopping
            after = stage.ask(make.call("after"))
            return [future.result() for future in asked], late.result(), after.result()

    asked, late, after = await run(story())

    assert all(isinstance(answer, Tracked) for answer in asked)
    assert [reason(late), reason(after)] == [Reason.STOPPING] * 2
    assert len(store.events) == 10


async def test_stopping_does_not_wait_for_ever_for_a_disk_that_hangs(make: type[Make]) -> None:
    store = make.store(kind=HangingStore)

    writers = []

    def make_writer(*dependencies: Callable[..., Any] | HangingStore) -> WriterThread:
        writers.append(WriterThread(*dependencies))
        return writers[0]

    async def story() -> tuple[list[Refused], bool]:
        tracker = Tracker(store, make_writer=make_writer)
        await tracker.start()
        asked = [tracker.ask(make.call(f"S{n}"), 0) for n in range(5)]
        await tracker.stop(timeout_s=0)
        ended = tracker.writer_ended
        store.go_on.set()
        assert await writers[0].close(10)
        return [future.result() for future in asked], ended

    answers, ended = await run(story())

    assert [reason(answer) for answer in answers] == [Reason.STOPPING] * 5
    assert not ended


async def test_a_tracker_that_has_nothing_to_do_stops_at_once(make: type[Make]) -> None:
    async def story() -> tuple[bool, bool]:
        tracker = Tracker(make.store())
        await tracker.start()
        await tracker.stop(timeout_s=0)
        return tracker.writer_ended, tracker.ready

    assert await run(story()) == (True, False)


async def test_a_call_before_the_start_is_refused(make: type[Make]) -> None:
    async def story() -> Refused:
        tracker = Tracker(make.store())
        try:
            return await tracker.ask(make.call(), 0)
        finally:
            await tracker.start()
            await tracker.stop()

    assert reason(await run(story())) is Reason.STOPPING


async def test_two_trackers_in_one_process_do_not_know_each_other(make: type[Make], scene: type[Scene]) -> None:
    one, two = make.store(), make.store()

    async def story() -> None:
        async with scene(one) as first, scene(two) as second:
            await first.answer(make.call("S"))
            await second.answer(make.call("S"))
            await second.answer(make.call("S"))

    await run(story())

    assert (len(one.events), len(two.events)) == (1, 2)


async def test_a_changed_source_is_seen_by_a_running_tracker(make: type[Make], tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(make.source())
    store = SqliteStore(path)

    async def story() -> tuple[Tracked, Refused]:
        tracker = Tracker(store)
        await tracker.start()
        before = await tracker.ask(make.call(), 0)
        with Sources(path) as sources:
            sources.enable("source", False)
        while isinstance(answer := await tracker.ask(make.call(), 0), Tracked):
            pass
        await tracker.stop()
        return before, answer

    before, after = await run(story())
    store.close()

    assert isinstance(before, Tracked)
    assert reason(after) is Reason.DISABLED_SOURCE


async def test_a_store_that_failed_makes_it_unready_until_it_is_well_again(make: type[Make]) -> None:
    store = make.store(kind=FullStore)

    async def story() -> tuple[Refused, bool, Tracked]:
        tracker = Tracker(store)
        await tracker.start()
        store.full = True
        refused = await tracker.ask(make.call(), 0)
        ready_when_full = tracker.ready
        store.full = False
        await until(lambda: tracker.ready)
        answer = await tracker.ask(make.call(), 0)
        await tracker.stop()
        return refused, ready_when_full, answer

    refused, ready_when_full, answer = await run(story())

    assert reason(refused) is Reason.STORE_FAILED
    assert not ready_when_full
    assert isinstance(answer, Tracked)


def test_new_ids_are_told_apart_and_ordered_by_time() -> None:
    ids = [new_id() for _ in range(1000)]

    assert len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {36}


def test_numbers_of_calls_are_never_the_same(make: type[Make]) -> None:
    tracker = Tracker(make.store())

    numbers = [tracker.next_number() for _ in range(100)]

    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("kind", [MemoryStore, FullStore])
async def test_a_tracker_stops_though_its_store_fails(make: type[Make], kind: type[Any]) -> None:
    store = make.store(kind=kind)
    store.full = True

    async def story() -> list[Any]:
        tracker = Tracker(store)
        await tracker.start()
        asked = [tracker.ask(make.call(f"S{n}"), 0) for n in range(5)]
        await tracker.stop()
        return [future.result() for future in asked]

    kinds = {type(answer) for answer in await run(story())}

    assert kinds == {Refused if kind is FullStore else Tracked}
