"""What was looked up: reads of it, and what commits change in it."""

from collections.abc import Callable

import pytest

from tests.support.making import Make
from trackd.core.changes import Erasure, Fence, Outcome
from trackd.core.documents import FirstCopy
from trackd.storage.errors import StoreError
from trackd.storage.lookups import KnownEvent, Loaded, LoadedReads, NotLoadedError, Wanted

STORED = Outcome.STORED
COPY = FirstCopy("t", "source", "collected")


def loaded() -> Loaded:
    """Profiles A and B, of which `merged` leads to A; a session of each; events of A."""
    a, b = Make.profile("A", 5), Make.profile("B", 1)
    return Loaded(
        sessions={"S": Make.session("S", "A"), "T": Make.session("T", "B"), "new": None},
        profiles={"A": a, "merged": a, "B": b, "none": None},
        events={("A", "known"): KnownEvent(3, COPY), ("A", "gone"): KnownEvent(None, None), ("A", "new"): None},
        erased={"A": False, "old": True},
    )


def test_reads_give_what_was_looked_up() -> None:
    reads, result = LoadedReads(), loaded()
    reads.use(result)

    assert (reads.session("S"), reads.session("new")) == (result.sessions["S"], None)
    assert (reads.profile("merged"), reads.profile("none")) == (result.profiles["A"], None)
    assert reads.session_and_profile("S") == (result.sessions["S"], result.profiles["A"])
    assert reads.session_and_profile("new") is None
    assert reads.known_events("A", ["known", "gone", "new"]) == {"known": 3, "gone": None}
    assert reads.first_copies("A", ["known", "gone"]) == {"known": COPY}
    assert (reads.is_erased("A"), reads.is_erased("old")) == (False, True)


def test_a_session_of_a_profile_that_was_merged_has_no_profile_of_its_own() -> None:
    reads, result = LoadedReads(), loaded()
    result.sessions["M"] = Make.session("M", "merged")
    reads.use(result)

    assert reads.session_and_profile("M") == (result.sessions["M"], None)


def test_a_read_of_another_key_asks_for_a_lookup() -> None:
    reads = LoadedReads()
    reads.use(loaded())
    missing: list[tuple[Callable[[], object], Wanted]] = [
        (lambda: reads.session("U"), Wanted(sessions={"U"})),
        (lambda: reads.profile("C"), Wanted(profiles={"C"})),
        (lambda: reads.is_erased("C"), Wanted(erased={"C"})),
        (lambda: reads.known_events("A", ["known", "other"]), Wanted(events={("A", "other")})),
        (lambda: reads.first_copies("B", ["known"]), Wanted(events={("B", "known")})),
    ]
    for read, wanted in missing:
        with pytest.raises(NotLoadedError) as raised:
            read()
        assert raised.value.wanted == wanted


def test_reads_after_a_lookup_that_failed_raise_its_error() -> None:
    reads = LoadedReads()
    reads.use(StoreError("the network is down"))
    with pytest.raises(StoreError, match="the network is down") as raised:
        reads.profile("A")
    assert not isinstance(raised.value, NotLoadedError)


def test_a_commit_takes_away_what_it_wrote_and_adds_its_events() -> None:
    result = loaded()
    change = Make.change("A", (5, 1), events=1, session="S", event={"id": "new"}, event_ids={"new": 6, "unasked": None})
    result.update([(change, STORED)])

    assert (set(result.profiles), set(result.sessions)) == ({"B", "none"}, {"T", "new"})
    assert result.events == {
        ("A", "known"): KnownEvent(3, COPY),
        ("A", "gone"): KnownEvent(None, None),
        ("A", "new"): KnownEvent(6, COPY),
    }


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.STALE])
def test_events_of_a_commit_whose_outcome_is_unclear_are_taken_away(outcome: Outcome) -> None:
    result = loaded()
    result.update([(Make.change("A", (5, 1)), outcome), (Make.change("A", (5, 2)), STORED)])
    assert result.events == {}


def test_an_erasure_takes_away_the_sessions_of_the_profile_too() -> None:
    result = loaded()
    result.update([(Erasure(Fence("A", 5, 1), Make.now), STORED)])

    assert (set(result.profiles), set(result.sessions)) == ({"B", "none"}, {"T"})
    assert (result.events, result.erased) == ({}, {})
