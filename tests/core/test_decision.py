import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import NumberedEvent, Track
from trackd.core.changes import Fence
from trackd.core.decision import Decision
from trackd.core.decision import decide as decide_under
from trackd.core.documents import Event, Source
from trackd.core.processing import Snapshot
from trackd.core.profile_document import shareable
from trackd.core.rules.ruleset import RuleSet

NO_RULES = RuleSet()


@pytest.fixture(scope="session")
def plain() -> Source:
    return Source("source", "source")


def decide(known: Snapshot, call: Track, source: Source, limits: Limits = Limits()) -> Decision:  # noqa: B008  frozen
    return decide_under(known, call, source, NO_RULES, limits)


def unknown(profile_id: str = "A") -> Snapshot:
    return Snapshot(profile_id, None, None, {})


def test_a_first_call_makes_profile_and_session(make: type[Make], plain: Source) -> None:
    call = make.call("S", [make.event("e1"), make.event()], ip="::1", context={"a": 1})

    decision = decide(unknown(), call, plain)

    changes, answer = decision.changes, decision.answer
    assert changes.fence == Fence("A", 0, 0)
    assert changes.profile == decision.profile
    assert (decision.profile.id, decision.profile.seq, decision.profile.revision) == ("A", 2, 1)
    assert decision.profile.doc["stats"] == {"visits": 1, "views": 0, "counters": {"t": 2}}
    assert (changes.session.id, changes.session.profile_id, changes.session.context) == ("S", "A", {"a": 1})
    assert changes.previous_owner is None
    assert changes.event_ids == {"e1": 1}
    assert (answer.number, answer.profile_id, answer.session_id) == (call.number, "A", "S")
    assert (answer.profile_saved, answer.session_saved) == (True, True)


def test_a_stored_event_has_everything_that_the_call_says(make: type[Make], plain: Source) -> None:
    event = make.event("e", "purchase", properties_json='{"p":1}', context_json='{"c":2}', config_json='{"o":3}')
    call = make.call("S", [event], source_id="shop", ip="::1", received=make.later)

    (stored,) = decide(unknown(), call, plain).changes.events

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


def test_a_later_call_continues_the_numbers(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A", seq=7, revision=3), make.session("S", "A"), {}, session_owner="A")

    decision = decide(known, make.call("S", 2), plain)

    assert decision.changes.fence == Fence("A", 7, 3)
    assert [event.seq for event in decision.changes.events] == [8, 9]
    assert (decision.profile.seq, decision.profile.doc["seq"], decision.profile.revision) == (9, 9, 4)
    assert decision.changes.previous_owner == "A"
    assert decision.profile.doc["stats"]["visits"] == 0


@pytest.mark.parametrize("session_owner", [None, "erased"])
def test_a_session_that_is_new_to_the_profile_is_a_visit(
    make: type[Make], plain: Source, session_owner: str | None
) -> None:
    session = make.session("S", session_owner, kept=1) if session_owner else None

    known = Snapshot("A", make.profile("A"), session, {}, orphan=session is not None, session_owner=session_owner)
    decision = decide(known, make.call("S", 0), plain)

    assert decision.profile.doc["stats"]["visits"] == 1
    assert decision.profile.doc["metadata"]["time"]["visit"]["count"] == 1
    assert (decision.changes.session.profile_id, decision.changes.previous_owner) == ("A", session_owner)
    assert decision.answer.profile_saved
    assert decision.answer.session_saved


def test_a_session_that_comes_over_from_a_living_profile_was_counted_there(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A"), make.session("S", "merged"), {})

    decision = decide(known, make.call("S", 0), plain)

    assert decision.profile.doc["stats"]["visits"] == make.profile("A").doc["stats"]["visits"]
    assert (decision.changes.session.profile_id, decision.answer.session_saved) == ("A", True)


def test_a_session_that_says_more_raises_the_revision_so_that_the_fence_guards_it(
    make: type[Make], plain: Source
) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(known, msgspec.structs.replace(make.call("S", 0), context={"more": 1}), plain)

    assert (decision.changes.profile.seq, decision.changes.profile.revision) == (3, 4)
    assert not decision.answer.profile_saved


def test_a_call_without_events_writes_the_session_alone(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(known, make.call("S", 0, received="2026-01-31T12:00:10.000000Z"), plain)

    assert decision.changes.profile is None
    assert decision.profile is known.profile
    assert decision.changes.writes_session
    assert decision.changes.session.updated == "2026-01-31T12:00:10.000000Z"
    assert (decision.answer.profile_saved, decision.answer.session_saved) == (False, False)


def test_a_change_that_only_json_can_tell_is_saved(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A", on=1), {})

    decision = decide(known, msgspec.structs.replace(make.call("S", 0), context={"on": True}), plain)

    assert decision.answer.session_saved
    assert decision.changes.session.context["on"] is True


def test_a_session_that_says_no_more_is_only_looked_at_when_its_time_was_written_just_now(
    make: type[Make], plain: Source
) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(known, make.call("S", 1, received="2026-01-31T12:00:09.999999Z"), plain)

    assert not decision.changes.writes_session
    assert decision.changes.session is known.session


def test_bookkeeping_alone_does_not_count_as_saved(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(known, make.call("S", 1), plain)

    assert decision.changes.profile is not None
    assert (decision.answer.profile_saved, decision.answer.session_saved) == (False, False)


@pytest.mark.parametrize("what", ["context", "properties"])
def test_a_session_that_says_more_counts_as_saved(make: type[Make], plain: Source, what: str) -> None:
    known = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    assert decide(known, make.call("S", 0, **{what: {"new": 1}}), plain).answer.session_saved


def test_a_session_that_is_not_to_be_saved_is_left_alone(make: type[Make], plain: Source) -> None:
    decision = decide(unknown(), make.call("S", 1, save_session=False), plain)

    assert decision.changes.session is None
    assert decision.changes.previous_owner is None
    assert decision.profile.doc["stats"]["visits"] == 0
    assert decision.profile.seq == 1
    assert (decision.answer.session_saved, decision.answer.session_kept) == (False, False)
    assert decision.answer.profile_saved


def test_an_event_that_is_not_stored_changes_the_profile_without_a_number(make: type[Make], plain: Source) -> None:
    call = make.call("S", [make.event("e1", store=False), make.event("e2", "page-view")])

    decision = decide(unknown(), call, plain)

    assert [(event.id, event.seq) for event in decision.changes.events] == [("e2", 1)]
    assert decision.changes.event_ids == {"e1": None, "e2": 1}
    assert decision.profile.doc["stats"]["counters"] == {"t": 1, "page-view": 1}
    assert [event.id for event in decision.answer.events] == ["e2"]


def test_a_known_event_changes_nothing_and_is_listed_with_its_first_number(make: type[Make], plain: Source) -> None:
    known = Snapshot("A", make.profile("A", 5, 5), make.session("S", "A"), {"old": 2, "unstored": None})
    call = make.call("S", [make.event("old"), make.event("unstored"), make.event("new")])

    decision = decide(known, call, plain)

    assert [event.id for event in decision.changes.events] == ["new"]
    assert decision.changes.event_ids == {"new": 6}
    assert decision.profile.doc["stats"]["counters"] == {"t": 1}
    assert decision.answer.events == (
        NumberedEvent("old", "t", 2, saved=False),
        NumberedEvent("new", "t", 6, saved=True),
    )


def test_an_event_that_comes_twice_in_one_call_is_recorded_once(make: type[Make], plain: Source) -> None:
    call = make.call("S", [make.event("e"), make.event("e"), make.event("u", store=False), make.event("u")])

    decision = decide(unknown(), call, plain)

    assert [event.seq for event in decision.changes.events] == [1]
    assert decision.changes.event_ids == {"e": 1, "u": None}
    assert [(event.seq, event.saved) for event in decision.answer.events] == [(1, True), (1, False)]
    assert decision.profile.doc["stats"]["counters"] == {"t": 2}


def test_a_retry_of_a_whole_call_changes_nothing(make: type[Make], plain: Source) -> None:
    events = [make.event("e1"), make.event("e2")]
    first = decide(unknown(), make.call("S", events), plain)
    known = Snapshot("A", first.profile, first.changes.session, first.changes.event_ids)

    duplicate = decide(known, make.call("S", events), plain)

    assert duplicate.changes.profile is None
    assert duplicate.changes.events == ()
    assert duplicate.changes.event_ids is None
    assert [event.seq for event in duplicate.answer.events] == [event.seq for event in first.answer.events] == [1, 2]
    assert (duplicate.answer.profile_saved, duplicate.answer.session_saved) == (False, False)


def test_an_event_left_out_of_debugging_is_stored_all_the_same(make: type[Make], plain: Source) -> None:
    decision = decide(unknown(), make.call("S", [make.event(debug=False), make.event("e")]), plain)

    assert len(decision.changes.events) == 2
    assert [(event.id, event.seq) for event in decision.answer.events] == [("e", 2)]


def test_the_answer_carries_the_profile_without_private_data(make: type[Make]) -> None:
    source = make.source(returns_profile=True)

    decision = decide(unknown(), make.call("S", 1, wants_profile=True), source)

    assert decision.answer.profile == shareable(decision.profile.doc)
    assert "pii" not in decision.answer.profile
    assert decision.answer.logs == ()


def test_the_answer_carries_no_profile_unasked(make: type[Make]) -> None:
    decision = decide(unknown(), make.call("S", 1), make.source(returns_profile=True))

    assert decision.answer.profile is None


def test_a_source_that_may_not_return_the_profile_says_so_in_the_logs(make: type[Make], plain: Source) -> None:
    decision = decide(unknown(), make.call("S", 1, wants_profile=True), plain)
    silent = decide(unknown(), make.call("S", 1, wants_profile=True, log=False), plain)

    assert decision.answer.profile is None
    assert ["returns_profile" in entry.message for entry in decision.answer.logs] == [True]
    assert silent.answer.logs == ()


def test_notes_of_an_event_are_logged_with_its_id_unless_it_wants_none(make: type[Make], plain: Source) -> None:
    call = make.call("S", [make.event("e", notes=("odd time",)), make.event(notes=("odder",), log=False)])

    (entry,) = decide(unknown(), call, plain).answer.report.logs

    assert (entry.message, entry.event_id) == ("odd time", "e")


def test_a_session_that_would_be_too_large_keeps_what_it_has_and_says_so(make: type[Make], plain: Source) -> None:
    call = make.call("S", 1, context={"big": "x" * 1024})

    decision = decide(unknown(), call, plain, Limits(max_session_bytes=1024))

    assert decision.changes.session.context == {}
    assert ["limits.max_session_bytes" in entry.message for entry in decision.answer.logs] == [True]
    assert len(decision.changes.events) == 1


@pytest.mark.parametrize("consent", [True, False])
def test_the_answer_says_whether_the_source_requires_consent(make: type[Make], consent: bool) -> None:
    assert decide(unknown(), make.call("S"), make.source(consent=consent)).answer.consent is consent


events = st.lists(st.tuples(st.none() | st.sampled_from("abcd"), st.booleans()), max_size=6)
calls = st.lists(st.tuples(st.sampled_from("ST"), st.booleans(), events), max_size=6)


@given(calls)
def test_any_calls_number_their_events_without_gap_or_repeat(make: type[Make], plain: Source, calls: list[Any]) -> None:
    profile, sessions, event_ids, numbers, counted = None, {}, {}, [], 0
    for session_id, save_session, made in calls:
        call = make.call(
            session_id,
            [make.event(own, store=store) for own, store in made],
            save_session=save_session,
            context={"n": len(numbers)},
        )
        session = sessions.get(session_id) if save_session else None
        known = Snapshot("A", profile, session, dict(event_ids))
        before = copy.deepcopy(known)
        counted += len({own for own, _ in made if own and own not in event_ids}) + sum(own is None for own, _ in made)

        decision = decide(known, call, plain)

        assert known == before
        changes = decision.changes
        assert [event.seq for event in changes.events] == [
            n + 1 for n in range(changes.fence.seq, changes.fence.seq + len(changes.events))
        ]
        assert decision.profile.seq == changes.fence.seq + len(changes.events)
        assert not set(changes.event_ids or ()) & set(event_ids)
        assert all(
            event.seq == (event_ids | (changes.event_ids or {})).get(event.id, event.seq)
            for event in decision.answer.events
        )
        numbers += [event.seq for event in changes.events]
        profile = decision.profile
        event_ids |= changes.event_ids or {}
        if changes.session:
            sessions[session_id] = changes.session

    assert numbers == list(range(1, len(numbers) + 1))
    if profile:
        assert profile.doc["seq"] == profile.seq == len(numbers)
        assert profile.doc["stats"]["visits"] == len(sessions)
        assert sum(profile.doc["stats"]["counters"].values()) == counted
