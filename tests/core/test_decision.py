"""Decisions on profiles and events."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.core.decisions import NEW, decide, kept_session
from tests.support.making import Make
from trackd.core.calls import NumberedEvent
from trackd.core.changes import Fence
from trackd.core.documents import Event, Profile, Session
from trackd.core.profile_document import first_revision
from trackd.core.snapshot import Snapshot


def test_a_first_call_makes_profile_and_session(make: type[Make]) -> None:
    call = make.call("S", [make.event("e1"), make.event()], ip="::1", context={"a": 1})

    decision = decide(NEW, call)

    changes, answer, session = decision.changes, decision.answer, kept_session(decision)
    assert changes.fence == Fence("A", 0, 0)
    assert changes.profile == decision.profile
    assert (decision.profile.id, decision.profile.seq) == ("A", 2)
    assert decision.profile.revision == first_revision(make.now)
    assert decision.profile.doc["stats"] == {"visits": 1, "views": 0, "counters": {"t": 2}}
    assert (session.id, session.profile_id, session.context) == ("S", "A", {"a": 1})
    assert changes.previous_owner is None
    assert changes.event_ids == {"e1": 1}
    assert (answer.number, answer.profile_id, answer.session_id) == (call.number, "A", "S")
    assert (answer.profile_saved, answer.session_saved) == (True, True)


def test_a_profile_that_takes_the_id_of_another_one_has_another_fence(make: type[Make]) -> None:
    before, after = (decide(NEW, make.call("S", received=received)) for received in (make.now, make.later))

    assert (before.profile.id, before.profile.seq) == (after.profile.id, after.profile.seq)
    assert before.profile.revision != after.profile.revision


def test_a_stored_event_has_the_fields_of_the_event_and_of_the_call(make: type[Make]) -> None:
    event = make.event("e", "purchase", properties_json='{"p":1}', context_json='{"c":2}', config_json='{"o":3}')
    call = make.call("S", [event], source_id="shop", ip="::1", received=make.later)

    (stored,) = decide(NEW, call).changes.events

    assert stored == Event(
        id="e",
        profile_id="A",
        seq=1,
        session_id="S",
        source_id="shop",
        type="purchase",
        created=make.now,
        inserted=make.later,
        status="collected",
        ip="::1",
        properties='{"p":1}',
        context='{"c":2}',
        config='{"o":3}',
        tags="[]",
    )


def test_a_later_call_continues_the_numbers(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", seq=7, revision=3), make.session("S", "A"), {}, session_owner="A")

    decision = decide(snapshot, make.call("S", 2))

    assert decision.changes.fence == Fence("A", 7, 3)
    assert [event.seq for event in decision.changes.events] == [8, 9]
    assert (decision.profile.seq, decision.profile.doc["seq"], decision.profile.revision) == (9, 9, 4)
    assert decision.changes.previous_owner == "A"
    assert decision.profile.doc["stats"]["visits"] == 0


def test_a_change_from_1_to_true_is_saved(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A", on=1), {})

    decision = decide(snapshot, make.call("S", 0, context={"on": True}))

    assert decision.answer.session_saved
    assert kept_session(decision).context["on"] is True


def test_bookkeeping_alone_does_not_count_as_saved(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(snapshot, make.call("S", 1))

    assert decision.changes.profile is not None
    assert (decision.answer.profile_saved, decision.answer.session_saved) == (False, False)


def test_an_event_that_is_not_stored_changes_the_profile_without_a_number(make: type[Make]) -> None:
    call = make.call("S", [make.event("e1", store=False), make.event("e2", "page-view")])

    decision = decide(NEW, call)

    assert [(event.id, event.seq) for event in decision.changes.events] == [("e2", 1)]
    assert decision.changes.event_ids == {"e1": None, "e2": 1}
    assert decision.profile.doc["stats"]["counters"] == {"t": 1, "page-view": 1}
    assert [event.id for event in decision.answer.events] == ["e2"]


def test_a_duplicate_changes_nothing_and_is_listed_with_its_first_number(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 5, 5), make.session("S", "A"), {"old": 2, "unstored": None})
    call = make.call("S", [make.event("old"), make.event("unstored"), make.event("new")])

    decision = decide(snapshot, call)

    assert [event.id for event in decision.changes.events] == ["new"]
    assert decision.changes.event_ids == {"new": 6}
    assert decision.profile.doc["stats"]["counters"] == {"t": 1}
    assert decision.answer.events == (
        NumberedEvent("old", "t", 2, saved=False),
        NumberedEvent("new", "t", 6, saved=True),
    )


def test_an_event_that_comes_twice_in_one_call_is_recorded_once(make: type[Make]) -> None:
    call = make.call("S", [make.event("e"), make.event("e"), make.event("u", store=False), make.event("u")])

    decision = decide(NEW, call)

    assert [event.seq for event in decision.changes.events] == [1]
    assert decision.changes.event_ids == {"e": 1, "u": None}
    assert [(event.seq, event.saved) for event in decision.answer.events] == [(1, True), (1, False)]
    assert decision.profile.doc["stats"]["counters"] == {"t": 2}


def test_a_retry_of_a_whole_call_changes_nothing(make: type[Make]) -> None:
    events = [make.event("e1"), make.event("e2")]
    first = decide(NEW, make.call("S", events))
    snapshot = Snapshot("A", first.profile, first.session, first.changes.event_ids or {})

    duplicate = decide(snapshot, make.call("S", events))

    assert duplicate.changes.profile is None
    assert duplicate.changes.events == ()
    assert duplicate.changes.event_ids is None
    assert [event.seq for event in duplicate.answer.events] == [event.seq for event in first.answer.events] == [1, 2]
    assert (duplicate.answer.profile_saved, duplicate.answer.session_saved) == (False, False)


events = st.lists(st.tuples(st.none() | st.sampled_from("abcd"), st.booleans()), max_size=6)
calls = st.lists(st.tuples(st.sampled_from("ST"), st.booleans(), events), max_size=6)


@given(calls)
def test_any_calls_number_their_events_without_gap_or_repeat(make: type[Make], calls: list[Any]) -> None:
    profile: Profile | None = None
    sessions: dict[str, Session] = {}
    event_ids: dict[str, int | None] = {}
    numbers: list[int] = []
    counted = 0
    for session_id, save_session, made in calls:
        call = make.call(
            session_id,
            [make.event(own, store=store) for own, store in made],
            save_session=save_session,
            context={"n": len(numbers)},
        )
        session = sessions.get(session_id) if save_session else None
        snapshot = Snapshot("A", profile, session, dict(event_ids))
        before = copy.deepcopy(snapshot)
        counted += len({own for own, _ in made if own and own not in event_ids}) + sum(own is None for own, _ in made)

        decision = decide(snapshot, call)

        assert snapshot == before
        changes = decision.changes
        assert [event.seq for event in changes.events] == [
            n + 1 for n in range(changes.fence.seq, changes.fence.seq + len(changes.events))
        ]
        assert decision.profile.seq == changes.fence.seq + len(changes.events)
        assert not set(changes.event_ids or ()) & set(event_ids)
        assert all(
            event.seq == {**event_ids, **(changes.event_ids or {})}.get(event.id, event.seq)
            for event in decision.answer.events
        )
        numbers += [event.seq for event in changes.events]
        profile = decision.profile
        event_ids |= changes.event_ids or {}
        if decision.session:
            sessions[session_id] = decision.session

    assert numbers == list(range(1, len(numbers) + 1))
    if profile:
        assert profile.doc["seq"] == profile.seq == len(numbers)
        assert profile.doc["stats"]["visits"] == len(sessions)
        assert sum(profile.doc["stats"]["counters"].values()) == counted
