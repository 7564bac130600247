"""The follower of the simulation finds a feed that loses, repeats or reorders records."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.simulation.model_feed import FeedFollower, ModelEvent, ModelFeed
from tests.support.making import NOW, Make
from trackd.core.changes import Erasure, Fence
from trackd.core.refusals import PutRefusals, Refusal
from trackd.core.retention_changes import DeleteEvents
from trackd.storage.feed import KINDS, FeedFilter, FeedPage, FeedRequest
from trackd.storage.memory import MemoryStore

Lines = list[bytes]


class Followed:
    """A store, and the model of its feed."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.model = ModelFeed()
        self.follower = FeedFollower(self.model)

    def read(self, request: FeedRequest) -> FeedPage:
        return self.store.journal.feed(FeedFilter(KINDS), request)

    def add(self, profile_id: str, events: int) -> None:
        self.store.commit([Make.change(profile_id, events=events)])
        self.model.add(ModelEvent(f"{profile_id}-{seq}", profile_id, seq, NOW) for seq in range(1, events + 1))

    def erase(self, profile_id: str, seq: int, *, keep_events: bool) -> None:
        self.store.commit([Erasure(Fence(profile_id, seq, 1), NOW, keep_events)])
        self.model.erase(profile_id, [profile_id], keep_events=keep_events)
        self.model.clear_refusals({profile_id}, set())

    def refuse(self, *reasons: str, keep: int = 100) -> None:
        change = PutRefusals(tuple(Refusal(NOW, 422, reason, profile_id="B") for reason in reasons), keep)
        self.store.commit([change])
        self.model.put_refusals(change)

    def delete(self, number: int) -> None:
        step = DeleteEvents("9999", number)
        self.store.commit([step])
        self.model.delete_oldest(number, self.model.last_old(step))


def test_a_feed_that_shows_each_record_once_has_no_faults() -> None:
    followed = Followed()
    steps: list[Callable[[], None]] = [
        lambda: followed.add("A", 10),
        lambda: followed.add("B", 3),
        lambda: followed.refuse("r1", "r2", "r3"),
        lambda: followed.erase("A", 10, keep_events=True),
        lambda: followed.erase("B", 3, keep_events=False),
        lambda: followed.add("A", 2),
        lambda: followed.refuse("r4", keep=2),
        lambda: followed.delete(4),
        lambda: followed.refuse("r5", keep=0),
        lambda: followed.erase("A", 2, keep_events=False),
    ]
    for step in steps:
        step()
        assert followed.follower.faults(followed.read) == []


@pytest.mark.parametrize(
    "fault",
    [lambda lines: lines[1:], lambda lines: lines + lines[-1:], lambda lines: lines[::-1]],
    ids=["loses", "repeats", "reorders"],
)
@pytest.mark.parametrize("refusals", [False, True])
def test_a_faulty_feed_is_found(fault: Callable[[Lines], Lines], refusals: bool) -> None:
    followed = Followed()
    if refusals:
        followed.refuse(*map(str, range(10)))
    else:
        followed.add("A", 10)

    def read(request: FeedRequest) -> FeedPage:
        page = followed.read(request)
        return replace(page, records=b"".join(fault(page.records.splitlines(keepends=True))))

    assert followed.follower.faults(read) != []
