"""The effect of a decision on the session of the call."""

import pytest
from msgspec.structs import replace

from tests.core.decisions import NEW, decide, kept_session
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.session_document import NOTHING
from trackd.core.snapshot import Snapshot


@pytest.mark.parametrize("session_owner", [None, "erased"])
def test_a_session_that_is_new_to_the_profile_is_a_visit(make: type[Make], session_owner: str | None) -> None:
    session = make.session("S", session_owner, kept=1) if session_owner else None

    snapshot = Snapshot("A", make.profile("A"), session, {}, orphan=session is not None, session_owner=session_owner)
    decision = decide(snapshot, make.call("S", 0))

    assert decision.profile.doc["stats"]["visits"] == 1
    assert decision.profile.doc["metadata"]["time"]["visit"]["count"] == 1
    assert (kept_session(decision).profile_id, decision.changes.previous_owner) == ("A", session_owner)
    assert decision.answer.profile_saved
    assert decision.answer.session_saved


def test_a_session_that_moves_from_a_living_profile_is_no_new_visit(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A"), make.session("S", "merged"), {})

    decision = decide(snapshot, make.call("S", 0))

    assert decision.profile.doc["stats"]["visits"] == make.profile("A").doc["stats"]["visits"]
    assert (kept_session(decision).profile_id, decision.answer.session_saved) == ("A", True)


def test_a_session_that_comes_back_to_a_profile_is_written_though_the_profile_has_it_as_it_was(
    make: type[Make],
) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {}, session_owner="B")

    decision = decide(snapshot, make.call("S", 1))

    assert decision.changes.writes_session
    assert (kept_session(decision).profile_id, decision.answer.session_saved) == ("A", True)


def test_a_changed_session_raises_the_revision_so_that_the_fence_guards_it(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(snapshot, make.call("S", 0, context={"more": 1}))

    assert decision.changes.profile is decision.profile
    assert (decision.profile.seq, decision.profile.revision) == (3, 4)
    assert not decision.answer.profile_saved


def test_a_call_without_events_writes_the_session_alone(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(snapshot, make.call("S", 0, received="2026-01-31T12:00:10.000000Z"))

    assert decision.changes.profile is None
    assert decision.profile is snapshot.profile
    assert decision.changes.writes_session
    assert kept_session(decision).updated == "2026-01-31T12:00:10.000000Z"
    assert (decision.answer.profile_saved, decision.answer.session_saved) == (False, False)


def test_an_unchanged_session_is_written_at_most_every_ten_seconds(make: type[Make]) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    decision = decide(snapshot, make.call("S", 1, received="2026-01-31T12:00:09.999999Z"))

    assert not decision.changes.writes_session
    assert decision.session is snapshot.session


def test_a_session_that_is_not_written_is_committed_without_its_content(make: type[Make]) -> None:
    """The commit only compares it, and its content may be large."""
    session = make.session("S", "A", text="x" * 1_000)

    decision = decide(Snapshot("A", make.profile("A", 3, 3), session, {}), make.call("S", 1))

    assert decision.changes.session == replace(session, context_json=NOTHING, properties_json=NOTHING)


@pytest.mark.parametrize("field", ["context", "properties"])
def test_a_changed_session_counts_as_saved(make: type[Make], field: str) -> None:
    snapshot = Snapshot("A", make.profile("A", 3, 3), make.session("S", "A"), {})

    assert decide(snapshot, make.call("S", 0, **{field: {"new": 1}})).answer.session_saved


def test_a_session_that_is_not_to_be_saved_is_left_alone(make: type[Make]) -> None:
    decision = decide(NEW, make.call("S", 1, save_session=False))

    assert decision.changes.session is None
    assert decision.changes.previous_owner is None
    assert decision.profile.doc["stats"]["visits"] == 0
    assert decision.profile.seq == 1
    assert (decision.answer.session_saved, decision.answer.session_kept) == (False, False)
    assert decision.answer.profile_saved


def test_a_session_that_would_be_too_large_stays_as_it_is_and_is_logged(make: type[Make]) -> None:
    call = make.call("S", 1, context={"big": "x" * 1024})

    decision = decide(NEW, call, limits=Limits(max_session_bytes=1024))

    assert kept_session(decision).context == {}
    assert ["limits.max_session_bytes" in entry.message for entry in decision.answer.logs] == [True]
    assert len(decision.changes.events) == 1
