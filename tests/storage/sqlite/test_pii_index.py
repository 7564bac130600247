"""Profiles are found by their personal data, whatever wrote them, and no longer once they are erased."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import open_database
from tests.support.exports import exported, import_lines
from tests.support.making import Make
from tests.support.stores import SqliteBackend
from trackd.core.changes import Changes, Erasure, Fence, Outcome
from trackd.core.pii_values import pii_values
from trackd.storage.listings import PageRequest, ProfileFilter
from trackd.storage.sqlite import searching
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.schema import migrations
from trackd.storage.sqlite.store import SqliteStore

ANN = {"email": "Ann@Example.com", "phones": ["+47 1", "+47 2"], "n": 5.0}


def person(profile_id: str, pii: dict[str, Any], was: tuple[int, int] = (0, 0)) -> Changes:
    change = Make.change(profile_id, was, pii=pii)
    return Changes(change.fence, change.profile, pii=pii_values(pii))


def found(listings: SqliteListings, *path: str, value: str, limit: int = 100, **others: Any) -> str:
    page = listings.profiles(ProfileFilter(pii=(path, value), **others), PageRequest(limit=limit))
    return "".join(profile["id"] for profile in json.loads(page.documents))


def test_a_profile_is_found_by_each_value_until_it_changes(
    sqlite_backend: SqliteBackend, listings: SqliteListings
) -> None:
    sqlite_backend.store.commit([person("A", ANN), person("B", {"email": "bob@example.com"})])

    assert [found(listings, "email", value=value) for value in ("ann@EXAMPLE.com", "ann@example.co")] == ["A", ""]
    assert [found(listings, "phones", value=value) for value in ("+47 1", "+47 2", "+47 3")] == ["A", "A", ""]
    assert [found(listings, "n", value=value) for value in ("5", "5.0", "6")] == ["A", "A", ""]
    assert found(listings, "phone", value="+47 1") == ""

    sqlite_backend.store.commit([person("A", {"email": "bob@example.com"}, (0, 1)), Make.change("B", (0, 1))])
    assert found(listings, "email", value="ann@example.com") == ""
    assert found(listings, "email", value="bob@example.com") == "BA"
    assert found(listings, "email", value="bob@example.com", limit=1) == "B"
    assert found(listings, "email", value="bob@example.com", segment="x") == ""


def test_pages_of_profiles_with_one_value_follow_each_other(
    sqlite_backend: SqliteBackend, listings: SqliteListings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_EXAMINED", 1)
    sqlite_backend.store.commit([person(key, {"name": "Ann" if key in "ADG" else "Bob"}) for key in "ABCDEFGH"])

    which, ids, cursor = ProfileFilter(pii=(("name",), "ann")), [], None
    for _ in range(3):
        page = listings.profiles(which, PageRequest(cursor, 1))
        ids += [profile["id"] for profile in json.loads(page.documents)]
        cursor = page.next
    assert ids == ["G", "D", "A"]


def test_nothing_is_left_of_an_erased_profile_nor_of_a_stale_change(
    sqlite_backend: SqliteBackend, listings: SqliteListings
) -> None:
    store = sqlite_backend.store
    store.commit([person("A", ANN), person("B", ANN)])
    assert store.commit([Erasure(Fence("A", 0, 1), "then"), person("B", {}, (7, 7))]) == [Outcome.STORED, Outcome.STALE]

    assert found(listings, "email", value="ann@example.com") == "B"
    assert sqlite_backend.db.execute("SELECT DISTINCT profile_id FROM pii").fetchall() == [("B",)]


def test_an_older_file_and_an_import_are_searched_too(tmp_path: Path, make: type[Make]) -> None:
    old = open_database(tmp_path / "old.db")
    migrations.apply(old, stop_before="personal_data_by_value")
    for profile_id, pii in {"A": ANN, "B": {}}.items():
        doc = make.profile(profile_id, pii=pii).doc_json
        old.table("profile").insert({"id": profile_id, "seq": 0, "revision": 1, "doc": bytes(doc).decode()})
    for profile_id, broken in {"x": "{", "y": '{"id": "y", "pii": 7}', "z": "[]"}.items():
        old.table("profile").insert({"id": profile_id, "seq": 0, "revision": 1, "doc": broken})
    old.close()
    SqliteStore(tmp_path / "old.db").close()
    with open_database(tmp_path / "old.db") as db:
        db.execute("DELETE FROM profile WHERE id > 'B'")
    import_lines(tmp_path / "new.db", exported(tmp_path / "old.db"))

    for name in ("old.db", "new.db"):
        listings = SqliteListings(tmp_path / name)
        assert found(listings, "email", value="ann@example.com") == "A"
        listings.close()
