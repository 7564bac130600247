"""Migrations, each applied to a file of the version before it."""

import contextlib
import json
from pathlib import Path

from tests.support.database import rows
from tests.support.making import Make
from tests.support.older_file import make_before
from trackd.core.changes import Outcome
from trackd.core.documents import Source, Token, TokenScope
from trackd.core.retention_changes import PutRetentionStop, RetentionStop
from trackd.storage.listings import EventFilter, PageRequest
from trackd.storage.sqlite.connection import connect
from trackd.storage.sqlite.database import open_for_writing
from trackd.storage.sqlite.feed import begin_history
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens

LATE = "FROM event INDEXED BY event_by_created WHERE created <> inserted"
BEFORE_AND_AFTER = {
    "shop": (
        ["https://bücher.example", "https://shop.example:443", "https://shop.example", "null"],
        ("https://xn--bcher-kva.example", "https://shop.example", "null"),
    ),
    "closed": (["https://user:pw@shop.example"], ("https://user:pw@shop.example",)),  # an empty list would allow any
    "open": ([], ()),
}


def test_origins_of_sources_become_canonical_and_those_that_no_browser_sends_stay(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    db = make_before(path, "canonical_origins_of_sources")
    times = {"inserted": "2026-01-31T12:00:00.000000Z", "updated": "2026-01-31T12:00:00.000000Z"}
    row = {"name": "", "description": "", "enabled": 1, "consent": 0, "returns_profile": 0, "permanent_profile_id": 0}
    for source_id, (before, _) in BEFORE_AND_AFTER.items():
        origins = {"origins": json.dumps(before), "rate_limit": None, "tags": "[]"}
        db.table("source").insert({"id": source_id, **row, **origins, **times})
    db.close()

    open_for_writing(path).close()

    with Sources(path) as sources:
        found: dict[str, Source] = {source.id: source for source in sources.all()}
    assert {key: source.origins for key, source in found.items()} == {k: v for k, (_, v) in BEFORE_AND_AFTER.items()}


def test_an_older_file_gets_an_index_of_its_late_events(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "trackd.db"
    db = make_before(path, "index_of_late_events")
    for number, created in enumerate(["2024-03-01T00:00:00.000000Z", make.now], 1):
        event = make.stored_event("A", number, created=created)._asdict()
        del event["rules"]
        db.table("event").insert({"number": number, **event})
    db.close()

    open_for_writing(path).close()

    listings = SqliteListings(path)
    page = listings.events(EventFilter(created_before="2025-01-01T00:00:00.000000Z"), PageRequest())
    listings.close()
    assert [event["seq"] for event in json.loads(page.documents)] == [1]
    with contextlib.closing(connect(path, mode="ro")) as migrated:
        assert migrated.execute(f"SELECT count(*) {LATE}").fetchone() == (1,)


def test_a_file_without_jobs_gets_them_and_keeps_its_profiles(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    db = make_before(path, "times_of_reevaluations")
    db.table("profile").insert({"id": "A", "seq": 1, "revision": 2, "doc": "{}", "last_event": 1, "remembered": 7})
    db.close()

    with Jobs(path) as jobs:
        assert jobs.all() == []
        number = jobs.add("apply_rules", {"a": 1})
        assert [(job.number, job.arguments) for job in jobs.all()] == [(number, {"a": 1})]
    [row] = rows(path, "SELECT * FROM profile")
    assert row == {
        "id": "A", "seq": 1, "revision": 2, "doc": "{}", "last_event": 1, "remembered": 7, "reevaluated": None
    }  # fmt: skip


def test_histories_of_an_older_file_have_no_refusals_before_them_also_when_it_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    db = make_before(path, "refusals_before_histories")
    db.execute("INSERT INTO refusal (time, status, reason, faults, left_out) VALUES ('', 401, '', '[]', 0)")
    db.close()
    with contextlib.closing(connect(path, mode="rw")) as older:
        begin_history(older)
    open_for_writing(path).close()
    with contextlib.closing(connect(path, mode="rw")) as migrated:
        begin_history(migrated)

    found = rows(path, "SELECT begins_after, refusals_after FROM feed_history ORDER BY number")
    assert [row["refusals_after"] for row in found] == [0, 0, 1]


def test_tokens_of_an_older_file_never_expire_and_were_never_used(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    db = make_before(path, "expiry_and_use_of_tokens")
    db.table("token").insert({"name": "viewer", "hash": "h", "scopes": "read", "inserted": Make.now})
    db.close()

    with Tokens(path) as tokens:
        assert tokens.all() == [Token("viewer", "h", ("read",), Make.now, None, None)]
        tokens.add("other", [TokenScope.METRICS], Make.later)
        assert [token.expires for token in tokens.all()] == [None, Make.later]


def test_the_retention_of_an_older_file_is_not_stopped_and_its_clock_was_never_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "trackd.db"
    make_before(path, "stops_of_the_retention").close()

    with contextlib.closing(SqliteStore(path)) as store:
        assert store.retention_stop() == RetentionStop(None, None)
        assert store.commit([PutRetentionStop(Make.now, None)]) == [Outcome.STORED]
        assert store.retention_stop() == RetentionStop(Make.now, None)
