"""The job that erases a profile, with the real actors."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.making import Make
from trackd.actors.profile_erasure import ProfileErasure
from trackd.actors.tracker import Tracker
from trackd.core.jobs import ERASE_PROFILE, Job
from trackd.storage.memory import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    store: MemoryStore = Make.one_profile(merged={"M": "A"})
    store.events = [Make.stored_event("A", 5)]
    return store


@pytest.fixture
async def erasure(store: MemoryStore) -> AsyncIterator[ProfileErasure]:
    tracker = Tracker(store)
    await tracker.start()
    yield ProfileErasure(tracker)
    await tracker.stop()


def job(profile_id: str = "A", inserted: str | None = Make.now, *, keep_events: bool = False) -> Job:
    return Job(1, ERASE_PROFILE, {"profile_id": profile_id, "inserted": inserted, "keep_events": keep_events})


async def save(_: Job) -> None:
    """Nothing to save on the way."""


@pytest.mark.parametrize(("named", "keep_events"), [("A", False), ("M", False), ("A", True)])
async def test_a_profile_is_erased_with_all_that_belongs_to_it(
    store: MemoryStore, erasure: ProfileErasure, named: str, keep_events: bool
) -> None:
    done = await erasure.do(job(named, keep_events=keep_events), save)
    assert (done.done, done.total, done.result) == (1, 1, {})
    assert (store.profiles, store.sessions, store.merged, store.erased) == ({}, {}, {}, {"A", "M"})
    assert [event.profile_id for event in store.events] == ([""] if keep_events else [])


@pytest.mark.parametrize(
    "arguments", [{"inserted": Make.later}, {"inserted": None}, {"profile_id": "B"}, {"profile_id": ""}]
)
async def test_another_profile_that_has_the_id_by_now_stays(
    store: MemoryStore, erasure: ProfileErasure, arguments: dict[str, Any]
) -> None:
    done = await erasure.do(job(**arguments), save)
    assert (done.done, done.result) == (0, {})
    assert list(store.profiles) == ["A"]


async def test_it_is_due_for_a_command_alone(erasure: ProfileErasure) -> None:
    assert not erasure.due([job()])
