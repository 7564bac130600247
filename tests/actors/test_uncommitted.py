import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from trackd.actors.event_fingerprints import BYTES
from trackd.actors.uncommitted import ID_BYTES, SESSIONS_KEPT, Uncommitted
from trackd.core.documents import FirstCopy


def test_sessions_and_event_ids_are_found_until_they_are_durable() -> None:
    uncommitted = Uncommitted()
    uncommitted.add(1, None, {"e1": 1})
    uncommitted.add(2, None, {"e2": None, "e3": 2})

    assert uncommitted.event_ids(["e1", "e2", "e3", "e4"]) == {"e1": 1, "e2": None, "e3": 2}
    uncommitted.mark_durable(1)
    assert uncommitted.event_ids(["e1", "e2", "e3"]) == {"e2": None, "e3": 2}
    uncommitted.mark_durable(2)
    assert uncommitted.event_ids(["e1", "e2", "e3"]) == {}


def test_a_session_is_found_in_its_last_state() -> None:
    uncommitted = Uncommitted()
    uncommitted.add(1, Make.session("S", "A", step=1), None)
    uncommitted.add(2, Make.session("S", "A", step=2), None)

    session = uncommitted.session("S")
    assert session is not None
    assert session.context == {"step": 2}
    assert uncommitted.session("T") is None


def test_more_sessions_than_are_kept_stay_while_they_are_not_on_disk() -> None:
    uncommitted = Uncommitted()
    for n in range(1, 3 * SESSIONS_KEPT + 1):
        uncommitted.add(n, Make.session(f"S{n}", "A"), None)
        uncommitted.mark_durable(0)

    assert all(uncommitted.session(f"S{n}") for n in range(1, 3 * SESSIONS_KEPT + 1))
    uncommitted.mark_durable(3 * SESSIONS_KEPT)
    kept = [n for n in range(1, 3 * SESSIONS_KEPT + 1) if uncommitted.session(f"S{n}")]
    assert kept == list(range(2 * SESSIONS_KEPT + 1, 3 * SESSIONS_KEPT + 1))


def test_a_session_in_use_does_not_keep_those_that_passed_by() -> None:
    uncommitted = Uncommitted()
    for n in range(1, 31):
        uncommitted.add(2 * n - 1, Make.session(f"S{n}", "A"), None)
        uncommitted.add(2 * n, Make.session("busy", "A", n=n), None)
        uncommitted.mark_durable(2 * n - 1)

    session = uncommitted.session("busy")
    assert session is not None
    assert session.context == {"n": 30}
    assert sum(1 for n in range(1, 31) if uncommitted.session(f"S{n}")) < SESSIONS_KEPT


adds = st.tuples(st.just("add"), st.none() | st.integers(0, 30), st.integers(0, 2))
durables = st.tuples(st.just("durable"), st.integers(0, 12), st.just(0))


@given(st.lists(st.one_of(adds, adds, durables), max_size=80), st.booleans())
def test_everything_uncommitted_is_found_and_the_rest_is_bounded(
    steps: list[tuple[str, int, int]], is_new: bool
) -> None:
    uncommitted, ordinal, durable_up_to = Uncommitted(is_new=is_new), 0, 0
    sessions: dict[str, Any] = {}
    ids: dict[str, int] = {}
    fresh = itertools.count()
    for act, number, new_ids in steps:
        if act == "add":
            ordinal += 1
            session = Make.session(f"S{number}", "A", ordinal=ordinal) if number is not None else None
            made = {f"e{next(fresh)}": ordinal for _ in range(new_ids)}
            uncommitted.add(ordinal, session, made or None)
            if session:
                sessions[session.id] = (ordinal, session)
            ids |= made
        else:
            durable_up_to = max(durable_up_to, ordinal - number)
            uncommitted.mark_durable(durable_up_to)
            found = [key for key in sessions if uncommitted.session(key)]
            waiting = [key for key, (written, _) in sessions.items() if written > durable_up_to]
            assert len(found) <= max(SESSIONS_KEPT, len(waiting))

        kept = [each for key in sessions if (each := uncommitted.session(key))]
        found_ids = uncommitted.event_ids(ids)
        expected = sum(session.size for session in kept) + sum(ID_BYTES + len(key) for key in found_ids)
        assert uncommitted.size == expected + (BYTES * len(ids) if is_new else 0)
        assert list(uncommitted.perhaps_stored(ids)) == list(ids)
        assert found_ids == {key: seq for key, seq in ids.items() if seq > durable_up_to}
        for key, (written, session) in sessions.items():
            assert uncommitted.session(key) in ([session] if written > durable_up_to else [session, None])


def test_first_copies_are_found_until_they_are_durable() -> None:
    uncommitted = Uncommitted()
    events = [Make.stored_event("A", seq, type=f"t{seq}") for seq in range(4, 9)]
    uncommitted.add(1, None, {"a": 4, "c": 6}, events[:3])
    uncommitted.add(2, None, {"unstored": None}, [])
    uncommitted.add(3, None, None, events[3:4])
    uncommitted.add(4, None, {"e": 8}, events[4:])

    ids = ["a", "c", "e", "unstored", "new"]
    assert {key: copy.type for key, copy in uncommitted.first_copies(ids).items()} == {"a": "t4", "c": "t6", "e": "t8"}
    uncommitted.mark_durable(1)
    assert uncommitted.first_copies(ids) == {"e": FirstCopy("t8", "source", "collected")}
    uncommitted.mark_durable(4)
    assert uncommitted.first_copies(ids) == {}
