"""What every store promises, told once for all of them."""

import itertools
import tempfile
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.storage.conftest import Make, MemoryShelf, SqliteShelf
from trackd.core.changes import Changes, DeleteSessions, Erasure, Fence, Outcome, PutSource
from trackd.core.documents import NO_MEMO, Profile, Session, Source, Token, secret_hash
from trackd.core.encoding import json_raw
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.store import SqliteStore

NOW = "2026-01-31T12:00:00.000000Z"
STORED, STALE = Outcome.STORED, Outcome.STALE


def test_an_empty_store_knows_nobody(shelf: MemoryShelf | SqliteShelf) -> None:
    store = shelf.store

    assert store.profile("A") is None
    assert store.session("S") is None
    assert store.known_events("A", ["e"]) == {}
    assert store.sources() == []
    assert store.tokens() == []
    assert shelf.events() == []


def test_what_was_committed_can_be_read(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    change = make.change("A", events=2, session="S", traits={"public": {"name": "Žofie 🙂", "score": 1.5, "n": [None]}})

    assert shelf.store.commit([change]) == [STORED]

    assert shelf.store.profile("A") == change.profile
    assert shelf.store.session("S") == change.session
    assert shelf.events() == list(change.events)


def test_a_session_is_read_with_the_profile_that_it_belongs_to(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    change = make.change("A", events=2, session="S")
    shelf.store.commit([change])

    assert shelf.store.session_and_profile("S") == (change.session, change.profile)
    assert shelf.store.session_and_profile("other") is None


def test_a_session_whose_profile_is_gone_is_read_without_one(shelf: MemoryShelf | SqliteShelf) -> None:
    session = Session("S", "gone", NOW, NOW, json_raw({"a": 1}), json_raw({}))
    shelf.store.commit([Changes(Fence("gone", 0, 0), None, session)])

    assert shelf.store.session_and_profile("S") == (session, None)


def test_what_it_takes_is_told_in_bytes_by_part(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=2)])

    for part, size in shelf.store.sizes().items():
        assert part.isidentifier()
        assert size >= 0


def test_a_session_keeps_its_context_and_properties(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    session = Session(
        "S",
        "A",
        "inserted",
        "updated",
        json_raw({"browser": {"name": "links"}}),
        json_raw({"a": [1, {"b": "\u2028\x00"}]}),
    )
    profile = make.profile("A")

    shelf.store.commit([Changes(Fence("A", 0, 0), profile, session)])

    assert shelf.store.session("S") == session


def test_a_profile_has_the_number_that_was_written_with_it_last(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    session = make.session("S", "A")
    numbers = [2**63 - 1, 7, NO_MEMO]
    for revision, number in enumerate(numbers):
        profile = replace(make.profile("A", 0, revision + 1), memo=number)
        shelf.store.commit([Changes(Fence("A", 0, revision), profile, session, "A" if revision else None)])

        assert shelf.store.profile("A").memo == number
        assert shelf.store.session_and_profile("S")[1].memo == number


def test_events_keep_every_field_and_the_order_of_their_commits(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    first = make.change("A", events=2, event={"ip": "::1", "properties": '{"a": "é"}', "type": "x" * 255})
    second = make.change("B", events=1, event={"context": '{"c":1}', "config": '{"d":2}', "created": "earlier"})
    third = make.change("A", (2, 1), events=1)

    shelf.store.commit([first, second])
    shelf.store.commit([third])

    assert shelf.events() == [*first.events, *second.events, *third.events]


def test_a_commit_in_another_thread_is_seen_once_it_returned(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    assert shelf.store.profile("A") is None
    change = make.change("A")

    thread = threading.Thread(target=shelf.store.commit, args=([change],))
    thread.start()
    thread.join()

    assert shelf.store.profile("A") == change.profile


def test_a_change_may_build_on_one_before_it_in_the_batch(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    batch = [
        make.change("A", (0, 0), events=1, session="S", step=1),
        make.change("A", (1, 1), events=2, session="S", previous_owner="A", step=2),
        make.change("A", (3, 2), step=3),
    ]

    assert shelf.store.commit(batch) == [STORED, STORED, STORED]

    assert shelf.store.profile("A") == Profile("A", 3, 3, json_raw({"id": "A", "seq": 3, "step": 3}))
    assert [event.seq for event in shelf.events()] == [1, 2, 3]


def test_a_later_commit_continues_from_the_stored_state(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1, session="S")])

    assert shelf.store.commit([make.change("A", (1, 1), events=1, session="S", previous_owner="A")]) == [STORED]

    assert shelf.store.profile("A").seq == 2


@pytest.mark.parametrize(
    "was",
    [(0, 0), (1, 2), (3, 2), (2, 1), (2, 3)],
    ids=["not there", "older seq", "newer seq", "older revision", "newer revision"],
)
def test_a_change_built_on_another_state_of_the_profile_is_stale_and_writes_nothing(
    shelf: MemoryShelf | SqliteShelf, make: type[Make], was: tuple[int, int]
) -> None:
    shelf.store.commit([make.change("A", events=1), make.change("A", (1, 1), events=1)])
    before = shelf.store.profile("A"), list(shelf.events())

    assert shelf.store.commit([make.change("A", was, events=1, session="S", event_ids={"e": 1})]) == [STALE]

    assert (shelf.store.profile("A"), shelf.events()) == before
    assert shelf.store.session("S") is None
    assert shelf.store.known_events("A", ["e"]) == {}


def test_a_change_of_a_profile_that_is_not_there_is_stale(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    assert shelf.store.commit([make.change("A", (1, 1), events=1)]) == [STALE]
    assert shelf.store.profile("A") is None


@pytest.mark.parametrize("previous_owner", [None, "B"])
def test_a_change_is_stale_when_the_session_belongs_to_another_profile(
    shelf: MemoryShelf | SqliteShelf, make: type[Make], previous_owner: str | None
) -> None:
    shelf.store.commit([make.change("A", session="S")])

    assert shelf.store.commit([make.change("B", events=1, session="S", previous_owner=previous_owner)]) == [STALE]

    assert shelf.store.session("S").profile_id == "A"
    assert shelf.store.profile("B") is None
    assert shelf.events() == []


def test_a_change_is_stale_when_its_session_is_gone(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    assert shelf.store.commit([make.change("A", session="S", previous_owner="A")]) == [STALE]


def test_a_session_comes_over_from_another_profile_only_as_it_was_seen(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", session="S")])
    seen = shelf.store.session("S").updated
    over = make.change("B", session="S", previous_owner="A")

    for not_so in ("", "2026-01-01T00:00:00.000000Z"):
        assert shelf.store.commit([msgspec.structs.replace(over, previous_updated=not_so)]) == [STALE]
    assert shelf.store.commit([msgspec.structs.replace(over, previous_updated=seen)]) == [STORED]


@pytest.mark.parametrize("between", [PutSource(Source("other", "other")), DeleteSessions("2020"), None])
def test_what_is_built_on_a_stale_change_is_stale_whatever_stands_between_them(
    shelf: MemoryShelf | SqliteShelf, make: type[Make], between: DeleteSessions | PutSource | None
) -> None:
    """Another node has written just as much: the numbers are true by accident."""
    shelf.store.commit([make.change("A", events=1)])
    lost, built_on_it = make.change("A", events=1), make.change("A", (1, 1), events=1)
    between = between or Erasure(Fence("other", 0, 0), "2026-01-31T12:00:00.000000Z")

    outcomes = shelf.store.commit([lost, between, built_on_it, between, Erasure(Fence("A", 1, 1), "2026")])

    assert [outcomes[place] for place in (0, 2, 4)] == [STALE] * 3
    assert [event.seq for event in shelf.events()] == [1]


def test_a_session_can_be_linked_to_another_profile(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", session="S")])

    assert shelf.store.commit([make.change("B", session="S", previous_owner="A")]) == [STORED]

    assert shelf.store.session("S").profile_id == "B"


def test_of_two_first_calls_of_a_session_in_one_batch_the_second_is_stale(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    assert shelf.store.commit([make.change("A", session="S"), make.change("B", session="S")]) == [STORED, STALE]

    assert shelf.store.session("S").profile_id == "A"
    assert shelf.store.profile("B") is None


def test_what_is_built_on_a_stale_change_is_stale_and_the_rest_of_the_batch_is_stored(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", events=1)])
    batch = [
        make.change("B", events=1),
        make.change("A", (0, 0), events=1),
        make.change("A", (1, 2), events=1),
        make.change("B", (1, 1), events=1),
    ]

    assert shelf.store.commit(batch) == [STORED, STALE, STALE, STORED]

    assert (shelf.store.profile("A").seq, shelf.store.profile("B").seq) == (1, 2)
    assert [event.id for event in shelf.events()] == ["A-1", "B-1", "B-2"]


def test_what_is_built_on_a_stale_change_is_stale_though_somebody_else_wrote_as_much(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", events=1, by="both")])
    shelf.store.commit([make.change("A", (1, 1), events=1, by="them")])

    mine = [make.change("A", (1, 1), events=1, by="me"), make.change("A", (2, 2), events=1, by="me")]
    assert shelf.store.commit(mine) == [STALE, STALE]

    assert shelf.store.profile("A") == make.profile("A", 2, 2, by="them")


def test_a_change_that_writes_nothing_is_still_checked(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A", events=1)])

    outcomes = shelf.store.commit([Changes(Fence("A", 1, 1)), Changes(Fence("A", 1, 2)), Changes(Fence("B", 0, 0))])

    assert outcomes == [STORED, STALE, STORED]
    assert shelf.store.profile("B") is None


def test_client_made_event_ids_are_known_to_their_profile_alone(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", events=2, event_ids={"e1": 1, "e2": 2, "unstored": None})])

    assert shelf.store.known_events("A", ["e1", "unstored", "new"]) == {"e1": 1, "unstored": None}
    assert shelf.store.known_events("A", []) == {}
    assert shelf.store.known_events("B", ["e1"]) == {}


def test_two_profiles_may_have_the_same_event_id(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    batch = [make.change("A", events=1, event_ids={"e": 1}), make.change("B", events=3, event_ids={"e": 3})]

    assert shelf.store.commit(batch) == [STORED, STORED]

    assert shelf.store.known_events("A", ["e"]) == {"e": 1}
    assert shelf.store.known_events("B", ["e"]) == {"e": 3}


def test_a_merged_id_leads_to_the_profile_that_took_it_in(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    shelf.store.commit([make.change("A"), make.change("B")])

    shelf.merge("A", "B")

    assert shelf.store.profile("A") == make.profile("B")
    assert shelf.store.profile("B") == make.profile("B")


def test_an_id_merged_into_a_profile_that_is_gone_leads_nowhere(shelf: MemoryShelf | SqliteShelf) -> None:
    shelf.merge("A", "B")

    assert shelf.store.profile("A") is None


def test_a_change_of_a_profile_that_was_merged_away_meanwhile_is_stale(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", events=1), make.change("B")])

    shelf.merge("A", "B")

    assert shelf.store.commit([make.change("A", (1, 1), events=1)]) == [STALE]


def test_an_empty_batch_is_taken(shelf: MemoryShelf | SqliteShelf) -> None:
    assert shelf.store.commit([]) == []


def test_a_large_batch_is_stored_whole(shelf: MemoryShelf | SqliteShelf, make: type[Make]) -> None:
    batch = [make.change(f"P{n}", events=3, session=f"S{n}", event_ids={"e": 1}) for n in range(700)]

    assert shelf.store.commit(batch) == [STORED] * 700

    assert [event.id for event in shelf.events()] == [event.id for change in batch for event in change.events]
    assert shelf.store.profile("P699") == batch[699].profile
    assert shelf.store.session("S511") == batch[511].session
    assert shelf.store.known_events("P512", ["e"]) == {"e": 1}


def test_every_change_to_a_source_moves_the_version(shelf: MemoryShelf | SqliteShelf) -> None:
    versions = [shelf.store.sources_version()]
    for name in ("one", "two"):
        shelf.put_source(
            Source(name, f"source {name}", origins=("https://a.example",), rate_limit=2.5, tags=("x", "y"))
        )
        versions.append(shelf.store.sources_version())

    assert versions[0] < versions[1] < versions[2]
    first = next(source for source in shelf.store.sources() if source.id == "one")
    assert (first.name, first.origins, first.rate_limit) == ("source one", ("https://a.example",), 2.5)
    assert (first.tags, first.enabled, first.consent) == (("x", "y"), True, False)


def test_reading_sources_does_not_move_the_version(shelf: MemoryShelf | SqliteShelf) -> None:
    shelf.put_source(Source("one", "one"))
    version = shelf.store.sources_version()

    shelf.store.sources()
    shelf.store.commit([])

    assert shelf.store.sources_version() == version


def test_tokens_hold_from_the_moment_they_are_made_until_they_are_revoked(shelf: MemoryShelf | SqliteShelf) -> None:
    viewer = Token("viewer", secret_hash("one"), ("read",), NOW)
    operator = Token("operator", secret_hash("two"), ("read", "admin"), NOW)

    shelf.put_token(viewer)
    assert shelf.store.tokens() == [viewer]
    shelf.put_token(operator)
    assert sorted(shelf.store.tokens(), key=lambda token: token.name) == [operator, viewer]
    shelf.revoke_token("viewer")
    assert shelf.store.tokens() == [operator]


step = st.tuples(
    st.sampled_from("AB"),
    st.sampled_from(["right", "right", "right", "off"]),
    st.integers(0, 2),
    st.sampled_from([None, "S", "T"]),
    st.sampled_from([None, "A", "B"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(step, max_size=5), max_size=4))
def test_both_stores_come_to_the_same_outcomes_and_the_same_content(make: type[Make], batches: list[Any]) -> None:
    memory = MemoryStore()
    fresh = itertools.count()
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SqliteStore(Path(folder) / "trackd.db", synchronous="NORMAL")
        for steps in batches:
            state = {key: (p.seq, p.revision) for key, p in memory.profiles.items()}
            batch = []
            for profile_id, fence, events, session, previous_owner in steps:
                seq, revision = state.get(profile_id, (0, 0))
                was = (seq, revision) if fence == "right" else (seq, revision + 1)
                batch.append(
                    make.change(
                        profile_id,
                        was,
                        events=events,
                        session=session,
                        previous_owner=previous_owner,
                        event_ids={f"id{next(fresh)}": None},
                    )
                )
                state[profile_id] = (was[0] + events, was[1] + 1)

            assert sqlite.commit(batch) == memory.commit(batch)

            assert {key: sqlite.profile(key) for key in memory.profiles} == memory.profiles
            assert {key: sqlite.session(key) for key in memory.sessions} == memory.sessions
        ids = [f"id{n}" for n in range(next(fresh))]
        assert all(sqlite.known_events(p, ids) == memory.known_events(p, ids) for p in "AB")
        sqlite.close()


def test_a_session_that_is_only_looked_at_is_fenced_and_not_written(
    shelf: MemoryShelf | SqliteShelf, make: type[Make]
) -> None:
    shelf.store.commit([make.change("A", events=1, session="S")])
    before = shelf.store.session("S")
    look = make.change("A", (1, 1), events=1, session="S", previous_owner="A", step=2)
    look = msgspec.structs.replace(look, writes_session=False)

    assert shelf.store.commit([look]) == [STORED]
    assert shelf.store.session("S") == before
    assert shelf.store.commit([msgspec.structs.replace(look, fence=Fence("A", 2, 2), previous_owner="B")]) == [STALE]
