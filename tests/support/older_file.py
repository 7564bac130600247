"""A database file of an older trackd."""

import json
from pathlib import Path

from sqlite_utils import Database

from tests.support.database import open_database
from tests.support.making import NOW, Make
from trackd.storage.sqlite.connection import transaction
from trackd.storage.sqlite.schema import migrations


def make_before(path: Path, migration: str) -> Database:
    """A file without this migration and those after it."""
    db = open_database(path)
    with transaction(db.conn):
        migrations.apply(db, stop_before=migration)
    return db


def make_older_file(path: Path) -> None:
    """The source shop, and the profile A with two events and a session, as a trackd without tokens wrote them."""
    db = make_before(path, "reasons_of_invalid_events")
    db.execute("PRAGMA journal_mode = WAL")
    flags = {"enabled": 1, "consent": 0, "returns_profile": 0, "permanent_profile_id": 0}
    texts = {"name": "The shop", "description": "", "origins": '["https://shop.example:443"]', "tags": "[]"}
    times = {"inserted": NOW, "updated": NOW}
    db.table("source").insert({"id": "shop", "rate_limit": None, **flags, **texts, **times})
    profile = Make.profile("A", 2)
    db.table("profile").insert({"id": "A", "seq": 2, "revision": 2, "doc": json.dumps(profile.doc)})
    db.table("session").insert({"id": "S", "profile_id": "A", "context": "{}", "properties": "{}", **times})
    for number in (1, 2):
        event = Make.stored_event("A", number)._asdict()
        db.table("event").insert(
            {"number": number, **{key: event[key] for key in event if key not in ("reasons", "rules")}}
        )
    db.close()
