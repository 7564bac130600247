"""The documents of `Listings`, made from rows."""

import json

import pytest

from tests.support.database import open_database
from tests.support.making import Make
from tests.support.stores import SqliteBackend, existing
from trackd.storage.errors import StoreError
from trackd.storage.listings import PageRequest, ProfileFilter
from trackd.storage.sqlite.listings import SqliteListings


def test_an_event_is_a_document_of_the_contract(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    event = {"ip": "::1", "properties": '{"a":1.50,"b":"\\u0000é"}', "context": '{"c":[]}', "config": '{"d":true}'}
    change = make.change(
        "A", events=1, event={**event, "tags": '["x"]', "reasons": '["no"]', "status": "invalid", "id": "e"}
    )
    sqlite_backend.store.commit([change])

    stored = change.events[0]
    assert json.loads(existing(listings.event("e"))) == {
        "id": "e",
        "seq": 1,
        "type": "t",
        "profile": {"id": "A"},
        "session": {"id": "S"},
        "source": {"id": "source"},
        "metadata": {
            "time": {"create": stored.created, "insert": stored.inserted},
            "status": "invalid",
            "ip": "::1",
            "reasons": ["no"],
            "rules": [],
        },
        "properties": {"a": 1.5, "b": "\0é"},
        "context": {"c": []},
        "config": {"d": True},
        "tags": ["x"],
    }


def test_of_events_with_one_id_that_of_the_profile_is_found_or_the_newest(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    for profile_id in ("A", "B"):
        sqlite_backend.store.commit([make.change(profile_id, session=profile_id, events=1, event={"id": "e"})])
    asked = ("A", "B", "C", None)
    found = [json.loads(existing(listings.event("e", profile_id)))["profile"]["id"] for profile_id in asked]
    assert found == ["A", "B", "B", "B"]


def test_text_of_every_kind_of_character_stays_unchanged(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    odd = "a\0b\"\\\n\u2028é🙂'"
    sqlite_backend.store.commit([make.change("A", events=1, event={"type": odd, "id": odd})])

    document = json.loads(existing(listings.event(odd)))

    assert (document["id"], document["type"]) == (odd, odd)


def test_a_session_is_a_document_of_the_contract(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", session="S")])
    sqlite_backend.db.execute("UPDATE session SET updated = '2026-01-31T12:01:30.250000Z', context = '{\"c\":1}'")

    assert json.loads(existing(listings.session("S"))) == {
        "id": "S",
        "profile": {"id": "A"},
        "metadata": {
            "time": {
                "insert": "2026-01-31T12:00:00.000000Z",
                "update": "2026-01-31T12:01:30.250000Z",
                "duration": 90.25,
            }
        },
        "context": {"c": 1},
        "properties": {},
    }


def test_invalid_json_of_another_tool_affects_only_its_own_field(
    sqlite_backend: SqliteBackend, listings: SqliteListings, make: type[Make]
) -> None:
    sqlite_backend.store.commit([make.change("A", events=2, session="S")])
    sqlite_backend.db.execute("UPDATE event SET properties = '{' WHERE seq = 1")
    sqlite_backend.db.execute("UPDATE profile SET doc = 'x'")

    page = existing(listings.profile_events("A", PageRequest()))

    assert [event["properties"] for event in json.loads(page.documents)] == [{}, None]
    assert listings.profiles(ProfileFilter(), PageRequest()).documents == b"[]"


def test_a_file_that_cannot_be_read_is_a_store_error(sqlite_backend: SqliteBackend, listings: SqliteListings) -> None:
    open_database(sqlite_backend.path).execute("DROP TABLE event_id")  # the schema is read again, and then
    open_database(sqlite_backend.path).execute("ALTER TABLE event RENAME TO other")

    with pytest.raises(StoreError, match="cannot read"):
        listings.event("e")
