"""The promises of every store: each test runs on all of them."""

import threading

import pytest
from msgspec.structs import replace

from tests.support.making import Make
from tests.support.stores import Backend, existing
from trackd.core.changes import Changes, Erasure, Fence, Outcome
from trackd.core.documents import NO_MEMO, FirstCopy, Login, Session, Source, Token, secret_hash
from trackd.core.encoding import json_raw
from trackd.core.jobs import FINISHED_JOBS_KEPT, AddJob, JobState, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, UseLink
from trackd.core.token_changes import PutTokenUse

NOW = "2026-01-31T12:00:00.000000Z"
STORED, STALE = Outcome.STORED, Outcome.STALE


def test_an_empty_store_has_no_documents(backend: Backend) -> None:
    store = backend.store

    assert store.profile("A") is None
    assert store.session("S") is None
    assert store.known_events("A", ["e"]) == {}
    assert store.sources() == []
    assert store.tokens() == []
    assert backend.events() == []


def test_committed_documents_can_be_read(backend: Backend, make: type[Make]) -> None:
    change = make.change("A", events=2, session="S", traits={"public": {"name": "Žofie 🙂", "score": 1.5, "n": [None]}})

    assert backend.store.commit([change]) == [STORED]

    assert backend.store.profile("A") == change.profile
    assert backend.store.session("S") == change.session
    assert backend.events() == list(change.events)


def test_a_session_is_read_with_the_profile_that_it_belongs_to(backend: Backend, make: type[Make]) -> None:
    change = make.change("A", events=2, session="S")
    backend.store.commit([change])

    assert backend.store.session_and_profile("S") == (change.session, change.profile)
    assert backend.store.session_and_profile("other") is None


def test_a_session_whose_profile_does_not_exist_is_read_without_one(backend: Backend) -> None:
    session = Session("S", "missing", NOW, NOW, json_raw({"a": 1}), json_raw({}))
    backend.store.commit([Changes(Fence("missing", 0, 0), None, session)])

    assert backend.store.session_and_profile("S") == (session, None)


def test_sizes_are_bytes_by_part(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=2)])

    for part, size in backend.store.sizes().items():
        assert part.isidentifier()
        assert size >= 0


def test_a_session_keeps_its_context_and_properties(backend: Backend, make: type[Make]) -> None:
    session = Session(
        "S",
        "A",
        NOW,
        "2026-01-31T12:00:01.000001Z",
        json_raw({"browser": {"name": "links"}}),
        json_raw({"a": [1, {"b": "\u2028\x00"}]}),
    )
    profile = make.profile("A")

    backend.store.commit([Changes(Fence("A", 0, 0), profile, session)])

    assert backend.store.session("S") == session


def test_a_profile_has_the_number_that_was_written_with_it_last(backend: Backend, make: type[Make]) -> None:
    session = make.session("S", "A")
    numbers = [2**63 - 1, 7, NO_MEMO]
    for revision, number in enumerate(numbers):
        profile = replace(make.profile("A", 0, revision + 1), memo=number)
        backend.store.commit([Changes(Fence("A", 0, revision), profile, session, "A" if revision else None)])

        assert existing(backend.store.profile("A")).memo == number
        assert existing(existing(backend.store.session_and_profile("S"))[1]).memo == number


def test_events_keep_every_field_and_the_order_of_their_commits(backend: Backend, make: type[Make]) -> None:
    first = make.change("A", events=2, event={"ip": "::1", "properties": '{"a": "é"}', "type": "x" * 255})
    second = make.change(
        "B", events=1, event={"context": '{"c":1}', "config": '{"d":2}', "created": "0001-01-01T00:00:00.000000Z"}
    )
    third = make.change("A", (2, 1), events=1)

    backend.store.commit([first, second])
    backend.store.commit([third])

    assert backend.events() == [*first.events, *second.events, *third.events]


def test_a_commit_in_another_thread_is_seen_once_it_returned(backend: Backend, make: type[Make]) -> None:
    assert backend.store.profile("A") is None
    change = make.change("A")

    thread = threading.Thread(target=backend.store.commit, args=([change],))
    thread.start()
    thread.join()

    assert backend.store.profile("A") == change.profile


def test_client_made_event_ids_are_known_to_their_profile_alone(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A", events=2, event_ids={"e1": 1, "e2": 2, "unstored": None})])

    assert backend.store.known_events("A", ["e1", "unstored", "new"]) == {"e1": 1, "unstored": None}
    assert backend.store.known_events("A", []) == {}
    assert backend.store.known_events("B", ["e1"]) == {}


@pytest.mark.parametrize("number", [1, 2, 8, 9, 1_000])
def test_any_number_of_event_ids_is_looked_up(backend: Backend, make: type[Make], number: int) -> None:
    ids = [f"e\u0000'\"{each} ü" for each in range(number)]
    known = {each: seq for seq, each in enumerate(ids, 1) if seq % 2}
    backend.store.commit([make.change("A", events=number, event_ids=known)])

    assert backend.store.known_events("A", ids) == known
    assert backend.store.known_events("A", ids * 2) == known


def test_two_profiles_may_have_the_same_event_id(backend: Backend, make: type[Make]) -> None:
    batch = [make.change("A", events=1, event_ids={"e": 1}), make.change("B", events=3, event_ids={"e": 3})]

    assert backend.store.commit(batch) == [STORED, STORED]

    assert backend.store.known_events("A", ["e"]) == {"e": 1}
    assert backend.store.known_events("B", ["e"]) == {"e": 3}


def test_the_first_copies_of_a_profiles_events_are_found_by_their_ids(backend: Backend, make: type[Make]) -> None:
    first = make.change("A", events=2, event_ids={"A-1": 1, "A-2": 2, "unstored": None})
    odd = {"type": "buy", "source_id": "app", "status": "invalid"}
    backend.store.commit([first, make.change("A", (2, 1), events=1, event=odd), make.change("B", events=1)])

    found = backend.store.first_copies("A", ["A-1", "A-3", "unstored", "new", "B-1"])

    assert found == {"A-1": FirstCopy("t", "source", "collected"), "A-3": FirstCopy("buy", "app", "invalid")}
    assert backend.store.first_copies("A", []) == {}
    assert backend.store.first_copies("missing", ["A-1"]) == {}


def test_first_copies_are_found_though_many_profiles_have_the_same_event_id(backend: Backend, make: type[Make]) -> None:
    batch = [make.change(f"P{n}", events=1, event={"id": "e", "type": f"t{n}"}) for n in range(100)]
    batch += [make.change("P7", (1, 1), events=20)]
    backend.store.commit(batch)

    assert backend.store.first_copies("P7", ["e", "P7-5", "new"]) == {
        "e": FirstCopy("t7", "source", "collected"),
        "P7-5": FirstCopy("t", "source", "collected"),
    }


def test_a_merged_id_leads_to_the_profile_that_took_it_in(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A"), make.change("B")])

    backend.merge("A", "B")

    assert backend.store.profile("A") == make.profile("B")
    assert backend.store.profile("B") == make.profile("B")


def test_an_id_merged_into_a_profile_that_does_not_exist_leads_nowhere(backend: Backend) -> None:
    backend.merge("A", "B")

    assert backend.store.profile("A") is None


def test_the_ids_of_an_erased_profile_are_known_as_erased(backend: Backend, make: type[Make]) -> None:
    backend.store.commit([make.change("A"), make.change("B")])
    backend.merge("M", "A")
    assert not any(map(backend.store.is_erased, "ABM"))

    backend.store.commit([Erasure(Fence("A", 0, 1), NOW)])

    assert [backend.store.is_erased(profile_id) for profile_id in "AMB"] == [True, True, False]


def test_an_empty_batch_is_taken(backend: Backend) -> None:
    assert backend.store.commit([]) == []


def test_a_large_batch_is_stored_whole(backend: Backend, make: type[Make]) -> None:
    batch = [make.change(f"P{n}", events=3, session=f"S{n}", event_ids={"e": 1}) for n in range(700)]

    assert backend.store.commit(batch) == [STORED] * 700

    assert [event.id for event in backend.events()] == [event.id for change in batch for event in change.events]
    assert backend.store.profile("P699") == batch[699].profile
    assert backend.store.session("S511") == batch[511].session
    assert backend.store.known_events("P512", ["e"]) == {"e": 1}


def test_every_change_to_a_source_moves_the_version(backend: Backend) -> None:
    versions = [backend.store.sources_version()]
    for name in ("one", "two"):
        backend.put_source(
            Source(name, f"source {name}", origins=("https://a.example",), rate_limit=2.5, tags=("x", "y"))
        )
        versions.append(backend.store.sources_version())

    assert versions[0] < versions[1] < versions[2]
    first = next(source for source in backend.store.sources() if source.id == "one")
    assert (first.name, first.origins, first.rate_limit) == ("source one", ("https://a.example",), 2.5)
    assert (first.tags, first.enabled, first.consent) == (("x", "y"), True, False)


def test_reading_sources_does_not_move_the_version(backend: Backend) -> None:
    backend.put_source(Source("one", "one"))
    version = backend.store.sources_version()

    backend.store.sources()
    backend.store.commit([])

    assert backend.store.sources_version() == version


def test_tokens_hold_from_the_moment_they_are_made_until_they_are_revoked(backend: Backend) -> None:
    viewer = Token("viewer", secret_hash("one"), ("read",), NOW)
    operator = Token("operator", secret_hash("two"), ("read", "admin"), NOW)

    backend.put_token(viewer)
    assert backend.store.tokens() == [viewer]
    backend.put_token(operator)
    assert sorted(backend.store.tokens(), key=lambda token: token.name) == [operator, viewer]
    assert backend.store.commit([PutTokenUse(viewer.hash, NOW), PutTokenUse("unknown", NOW)]) == [STORED, STALE]
    assert {token.name: token.used for token in backend.store.tokens()} == {"viewer": NOW, "operator": None}
    backend.revoke_token("viewer")
    assert backend.store.tokens() == [operator]


def test_a_link_becomes_a_login_once_and_before_it_expires_and_a_login_ends(backend: Backend) -> None:
    store, later, much_later = backend.store, "2026-01-31T12:30:00.000000Z", "2026-02-01T00:00:00.000000Z"
    link = Login("login-1", secret_hash("key"), ("admin",), NOW, later, is_link=True)
    assert store.commit([AddLogin(link), AddLogin(link)]) == [STORED, STALE]
    assert store.login(link.hash) == link
    use = UseLink(link.hash, secret_hash("cookie"), NOW, much_later)
    late, unknown = replace(use, now=later), replace(use, link_hash="unknown")
    assert store.commit([EndLogin(link.hash), late, unknown, use, use]) == [STALE, STALE, STALE, STORED, STALE]
    assert store.login(link.hash) is None
    assert store.login(use.hash) == Login("login-1", use.hash, ("admin",), NOW, much_later)
    assert store.commit([replace(use, link_hash=use.hash)]) == [STALE]  # a login is no link
    by_token = Login("login-2", secret_hash("other"), ("read",), NOW, later, secret_hash("token"))
    assert store.commit([AddLogin(by_token), EndLogin(use.hash), EndLogin(use.hash)]) == [STORED, STORED, STALE]
    assert store.login(use.hash) is None
    assert store.login(by_token.hash) == by_token
    assert store.installation() >= 0


def test_jobs_are_added_in_order_and_put_until_they_end(backend: Backend) -> None:
    store = backend.store
    assert store.jobs() == []
    store.commit([AddJob("apply_rules", {}, NOW), AddJob("erase", {"id": "A", "n": [1.5, None]}, NOW)])
    first, second = store.jobs()
    assert (first.kind, first.state, first.done, first.total) == ("apply_rules", JobState.OPEN, 0, None)
    assert (second.kind, second.arguments) == ("erase", {"id": "A", "n": [1.5, None]})
    assert second.number > first.number

    running = replace(first, done=3, total=7, position={"after": "žluť"}, result={"entered": {"x": 1}})
    assert store.commit([PutJob(running, NOW)]) == [STORED]
    assert store.jobs() == [running, second]

    ended = replace(second, state=JobState.FAILED, position={"after": "A"}, result={"error": "No."})
    assert store.commit([PutJob(ended, NOW), PutJob(second, NOW)]) == [STORED, STALE]
    assert store.jobs() == [running, replace(ended, arguments={}, position={})]


def test_the_last_ended_jobs_of_each_kind_and_all_open_ones_are_kept(backend: Backend) -> None:
    store = backend.store
    store.commit([AddJob("open", {}, NOW)])
    for _ in range(FINISHED_JOBS_KEPT + 3):
        store.commit([AddJob("ended", {}, NOW)])
        store.commit([PutJob(replace(store.jobs()[-1], state=JobState.DONE), NOW)])
    store.commit([AddJob("other", {}, NOW), AddJob("ended", {}, NOW)])
    kinds = [job.kind for job in store.jobs()]
    assert kinds == ["open", *["ended"] * FINISHED_JOBS_KEPT, "other", "ended"]
    numbers = [job.number for job in store.jobs()]
    assert numbers == sorted(set(numbers))
