"""Two nodes delete old events from one file by turns: the model does as they do, and notices a store that does not."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.simulation.histories import history
from tests.simulation.shrinking import violation_of
from tests.simulation.steps import Call, Commit, Crash, EventSpec, History, Step, Tick
from tests.store_mutants import deleting
from trackd.core.changes import Outcome
from trackd.core.retention_changes import DeleteEvents, Swept
from trackd.storage import retention
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.retention import DELETE_EVENT_IDS, DELETE_EVENTS, NOTE_DELETED, Retention

DAY_S = 86_400
SETUP = history(1).setup._replace(nodes=2, in_file=True, retention_days=1, looks_up=False, little_memory=False)
REST: list[Step] = [Commit(0), Commit(1)] * 5


def call(label: int, node: int, *events: str) -> Call:
    return Call(label, node, f"s{label}", None, tuple(EventSpec(event, "t", store=True) for event in events))


# The first commit after a day is that of the trusted clock. A step deletes three events at most.
LATE_CALL: list[Step] = [
    call(1, 0, "a", "b", "c", "d"),
    Commit(0),
    call(2, 1, "late"),
    Tick(0, DAY_S + 10),
    Commit(0),
    Commit(0),
    Commit(1),  # an event that is old already: the sweep under way ends before it, the next one deletes it
]
BY_TURNS: list[Step] = [
    call(1, 0, "a", "b", "c", "d", "e"),
    Commit(0),
    call(2, 1, "f", "g"),
    Commit(1),
    Crash(1),  # the feed is read
    Tick(1, 20),
    call(3, 0, "h", "i"),
    Commit(0),
    call(4, 1, "late"),
    Tick(0, DAY_S - 20),
    Commit(0),
    Commit(0),
    Tick(1, 40),
]
HISTORIES: dict[str, list[Step]] = {
    "a late call": [*LATE_CALL, *REST, Tick(0, 70), *REST],
    "a crash": [*LATE_CALL, Crash(0), Tick(0, 1), *REST],
    "by turns": [*BY_TURNS, *REST, Tick(0, 70), *REST],
}


def violation(steps: list[Step]) -> object:
    return violation_of(History(1, SETUP, tuple(steps)))


@pytest.mark.parametrize("name", HISTORIES)
def test_the_model_deletes_what_the_sweep_of_each_node_deletes(name: str) -> None:
    assert violation(HISTORIES[name]) is None


OWN_STEP, OWN_DELETION = Retention._delete_events, Retention.delete_events


def end_at_once(self: Retention, db: Connection, step: DeleteEvents) -> tuple[Outcome, Swept]:
    return Outcome.DONE, OWN_STEP(self, db, step)[1]


def count_twice(self: Retention, db: Connection, step: DeleteEvents) -> tuple[Outcome, Swept]:
    outcome, swept = OWN_STEP(self, db, step)
    return outcome, replace(swept, deleted=2 * swept.deleted)


def delete_another(self: Retention, db: Connection, last: int) -> None:
    OWN_DELETION(self, db, last + 1)


def keep_oldest(self: Retention, db: Connection, last: int) -> None:
    [(first,)] = db.execute("SELECT min(number) FROM event")
    db.execute("DELETE FROM event WHERE number > ? AND number <= ?", (first, last))


def without(statement: str) -> Callable[[Retention, Connection, int], None]:
    def delete_events(self: Retention, db: Connection, last: int) -> None:
        for each in (DELETE_EVENT_IDS, DELETE_EVENTS, NOTE_DELETED):
            if each != statement:
                db.execute(each, (last,))

    return delete_events


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (Retention, "_delete_events", end_at_once),
        (Retention, "_delete_events", count_twice),
        (Retention, "delete_events", delete_another),
        (Retention, "delete_events", keep_oldest),
        (Retention, "delete_events", without(DELETE_EVENT_IDS)),
        (Retention, "delete_events", without(DELETE_EVENTS)),
        (Retention, "delete_events", without(NOTE_DELETED)),
        (retention, "START_OF_EVENTS", {}),
    ],
    ids=["ends", "counts twice", "one more", "not the oldest", "ids stay", "events stay", "feed forgets", "end stays"],
)
def test_a_broken_sweep_is_found(owner: Any, name: str, broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, name, broken)
    assert any(violation(steps) for steps in HISTORIES.values())


@pytest.mark.parametrize("seconds", [-25, 25])
def test_a_sweep_that_deletes_too_little_or_too_much_is_found(seconds: int) -> None:
    with deleting(seconds):
        assert violation(HISTORIES["by turns"])
