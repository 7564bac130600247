from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.making import NOW, Make
from trackd.core.changes import Changes, Fence, Outcome
from trackd.core.documents import Event, Profile, Session
from trackd.storage.fence import NOT_STORED, judge

STORED, STALE = Outcome.STORED, Outcome.STALE

small = st.integers(0, 1)


@given(
    batch=st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.tuples(small, small),
            small,
            st.sampled_from([None, "S", "T"]),
            st.sampled_from([None, "A", "B"]),
            st.sampled_from([None, None, NOW, "another time"]),
            st.booleans(),
        ),
        max_size=8,
    ),
    standing=st.dictionaries(st.sampled_from("AB"), st.tuples(small, small)),
    links=st.dictionaries(st.sampled_from("ST"), st.tuples(st.sampled_from("AB"), st.sampled_from([NOW, "before"]))),
)
def test_a_batch_is_judged_as_if_its_changes_came_one_by_one(
    make: type[Make], batch: list[tuple[Any, ...]], standing: dict[str, Any], links: dict[str, Any]
) -> None:
    todo = []
    for number, (profile_id, was, events, session, previous_owner, seen, writes) in enumerate(batch):
        change = make.change(
            profile_id,
            was,
            events=events,
            session=session,
            previous_owner=previous_owner,
            event_ids={f"id{number}": None},
            number=number,
        )
        change = replace(change, previous_updated=seen)
        todo.append(change if writes else replace(change, profile=None, events=(), event_ids=None))

    verdict = judge(todo, standing, links)

    outcomes, profiles, sessions, events, event_ids = one_by_one(todo, standing, links)
    assert verdict.outcomes == outcomes
    assert verdict.profiles == profiles
    assert verdict.sessions == sessions
    assert verdict.events == events
    assert verdict.event_ids == event_ids


def one_by_one(batch: list[Changes], standing: dict[str, Any], links: dict[str, Any]) -> tuple[Any, ...]:
    """The rules in the plainest way: one change after the other, each on the state that the previous one left."""
    world = {"profiles": {**standing}, "sessions": {**links}}
    outcomes: list[Outcome] = []
    profiles: dict[str, Profile] = {}
    sessions: dict[str, Session] = {}
    events: list[Event] = []
    event_ids: list[tuple[str, str, int | None]] = []
    lost = set()  # profiles of which a change was stale: what follows was built on it
    for change in batch:
        here = world["profiles"].get(change.fence.profile_id, (0, 0))
        fits = change.fence.profile_id not in lost and here == (change.fence.seq, change.fence.revision)
        if change.session is not None:
            profile_id, updated = world["sessions"].get(change.session.id, (None, None))
            fits = fits and profile_id == change.previous_owner and change.previous_updated in (None, updated)
            fits = fits and profile_id not in lost
        outcomes.append(STORED if fits else STALE)
        if not fits:
            lost.add(change.fence.profile_id)
            continue
        if change.profile is not None:
            world["profiles"][change.profile.id] = (change.profile.seq, change.profile.revision)
            profiles[change.profile.id] = change.profile
        if change.session is not None:
            world["sessions"][change.session.id] = (change.session.profile_id, change.session.updated)
            sessions[change.session.id] = change.session
        events.extend(change.events)
        for event_id, seq in (change.event_ids or {}).items():
            event_ids.append((change.fence.profile_id, event_id, seq))
    return outcomes, profiles, sessions, events, event_ids


def test_a_change_built_on_a_stale_one_is_stale_even_if_another_process_made_its_numbers_match(
    make: type[Make],
) -> None:
    mine = [make.change("A", (0, 1), events=1), make.change("A", (1, 2), events=1), make.change("B", events=1)]

    verdict = judge(mine, {"A": (1, 2)}, {})

    assert verdict.outcomes == [STALE, STALE, STORED]
    assert list(verdict.profiles) == ["B"]


def test_a_profile_written_twice_is_written_in_its_last_state(make: type[Make]) -> None:
    first, second = make.change("A", events=1), make.change("A", (1, 1), events=1)

    verdict = judge([first, second], {}, {})

    assert verdict.profiles == {"A": second.profile}
    assert verdict.events == [*first.events, *second.events]


def test_a_profile_that_is_not_stored_has_seq_and_revision_0(make: type[Make]) -> None:
    assert NOT_STORED == (0, 0)
    assert judge([make.change("A", (0, 0))], {}, {}).outcomes == [STORED]
    assert judge([make.change("A", (0, 0))], {"A": (0, 1)}, {}).outcomes == [STALE]


def test_judging_does_not_change_its_arguments(make: type[Make]) -> None:
    standing, links = {"A": (0, 1)}, {"S": ("A", NOW)}

    judge([make.change("A", (0, 1), events=1), make.change("B", session="S", previous_owner="A")], standing, links)

    assert (standing, links) == ({"A": (0, 1)}, {"S": ("A", NOW)})


def test_a_change_without_a_session_is_independent_of_stored_sessions() -> None:
    assert judge([Changes(Fence("A", 0, 0), previous_owner="B")], {}, {}).outcomes == [STORED]


def test_a_change_that_takes_a_session_from_a_profile_is_built_on_it(make: type[Make]) -> None:
    mine = [
        make.change("A", (0, 1)),
        make.change("B", session="S", previous_owner="A"),
        make.change("B", (0, 1), events=1),
    ]

    assert judge(mine, {}, {"S": ("A", NOW)}).outcomes == [STALE, STALE, STALE]
    assert judge(mine[1:], {}, {"S": ("A", NOW)}).outcomes == [STORED, STORED]


def test_a_profile_that_was_stale_earlier_in_the_transaction_stays_stale(make: type[Make]) -> None:
    stale = {"A"}

    verdict = judge([make.change("A"), make.change("B"), make.change("C", (1, 1))], {}, {}, stale)

    assert verdict.outcomes == [STALE, STORED, STALE]
    assert stale == {"A", "C"}
