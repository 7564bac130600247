"""The tables of a trackd database, as migrations. The first ones are in early_schema.py.

A migration that has landed never changes, nor its name, which every file contains. Add another one at the end, and its
name to file_format.py.
"""

import contextlib
import json
from collections.abc import Callable

from apsw import Cursor
from sqlite_utils import Database

from trackd.core.origins import canonical_origin
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.dbapi import sqlite_utils_database
from trackd.storage.sqlite.early_schema import migrations
from trackd.storage.sqlite.pii_index import put_pii_of_documents

__all__ = ["migrate", "migrations"]


def migrate(connection: Connection, on_begin: Callable[[str], None] | None = None) -> None:
    """Apply the pending migrations, within the transaction of the caller. `on_begin` is called before each.

    It gets the name of the migration.
    """
    db = sqlite_utils_database(connection)
    if on_begin is None:
        migrations.apply(db)
    else:
        names = [migration.name for migration in migrations.pending(db)]
        for name, following in zip(names, [*names[1:], None], strict=True):
            on_begin(name)
            migrations.apply(db, stop_before=following)  # which asks for all that were applied
    connection.cursor_factory = Cursor


# `Profile.memo`. A tool that changes `doc` while the server runs must change this number too.
REMEMBERED = "ALTER TABLE profile ADD COLUMN remembered INTEGER NOT NULL DEFAULT 0"


@migrations()  # type: ignore[untyped-decorator]
def what_a_server_remembers_of_profiles(db: Database) -> None:
    db.execute(REMEMBERED)


@migrations()  # type: ignore[untyped-decorator]
def canonical_origins_of_sources(db: Database) -> None:
    """An entry that no browser sends stays: a source that lost its last one would allow any origin."""
    for source_id, origins in db.execute("SELECT id, origins FROM source").fetchall():
        canonical = list(dict.fromkeys(map(_canonical, json.loads(origins))))
        if canonical != json.loads(origins):
            db.execute("UPDATE source SET origins = ? WHERE id = ?", [json.dumps(canonical), source_id])


def _canonical(origin: str) -> str:
    with contextlib.suppress(ValueError):
        return canonical_origin(origin)
    return origin


# The number of a deleted event is not used again: a reader that continues after a number would not see the new one. The
# last number is kept only when the event with it is deleted, so a commit of events writes no page for it. A
# profile of an older file may still name its last event, though that is deleted.
NUMBERS = """
CREATE TABLE event_numbers (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    used_up_to INTEGER NOT NULL
);
INSERT INTO event_numbers SELECT 1, coalesce(max(last_event), 0) FROM profile;
"""
EVENT_DELETED = """
CREATE TRIGGER event_deleted AFTER DELETE ON event
WHEN OLD.number > (SELECT used_up_to FROM event_numbers)
AND NOT EXISTS (SELECT 1 FROM event WHERE number > OLD.number)
BEGIN
    UPDATE event_numbers SET used_up_to = OLD.number;
END
"""


@migrations()  # type: ignore[untyped-decorator]
def numbers_that_are_never_given_twice(db: Database) -> None:
    for statement in NUMBERS.strip().split(";\n"):
        db.execute(statement)
    db.execute(EVENT_DELETED)


# See searching.py. Most events are created when they arrive: they are found by their numbers, and cost no entry.
INDEX_OF_LATE_EVENTS = "CREATE INDEX event_by_created ON event (created) WHERE created <> inserted"


@migrations()  # type: ignore[untyped-decorator]
def index_of_late_events(db: Database) -> None:
    db.execute(INDEX_OF_LATE_EVENTS)


# `metadata.time.update` in `doc` is the time of the last call. A re-evaluation leaves it, and writes its own time here.
REEVALUATED = "ALTER TABLE profile ADD COLUMN reevaluated TEXT"


@migrations()  # type: ignore[untyped-decorator]
def times_of_reevaluations(db: Database) -> None:
    db.execute(REEVALUATED)


# `core/jobs.py` has the meaning of the columns. Numbers are not used again: a command waits for its number.
JOBS = """
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    position TEXT NOT NULL DEFAULT '{}',
    result TEXT NOT NULL DEFAULT '{}',
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL
)
"""


@migrations()  # type: ignore[untyped-decorator]
def jobs(db: Database) -> None:
    db.execute(JOBS)


# The values of `pii` in the documents, as `pii_values` gives them. A tool that changes `doc` must change them too.
PII = """
CREATE TABLE pii (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    profile_id TEXT NOT NULL,
    PRIMARY KEY (name, value, profile_id)
) WITHOUT ROWID;
CREATE INDEX pii_by_profile ON pii (profile_id);
"""


@migrations()  # type: ignore[untyped-decorator]
def personal_data_by_value(db: Database) -> None:
    for statement in PII.strip().split(";\n"):
        db.execute(statement)
    put_pii_of_documents(db.conn, (doc for (doc,) in db.execute("SELECT doc FROM profile")))


# See `Token`. A command revokes by name, and the server writes the last use by hash, which is unique.
EXPIRY_AND_USE = """
ALTER TABLE token ADD COLUMN expires TEXT;
ALTER TABLE token ADD COLUMN used TEXT;
"""


@migrations()  # type: ignore[untyped-decorator]
def expiry_and_use_of_tokens(db: Database) -> None:
    for statement in EXPIRY_AND_USE.strip().split(";\n"):
        db.execute(statement)


# See `RetentionStop`. A row of both NULL: the retention is not stopped, and its clock was never confirmed.
RETENTION = """
CREATE TABLE retention (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    stopped_after TEXT,
    confirmed TEXT
);
INSERT INTO retention VALUES (1, NULL, NULL);
"""


@migrations()  # type: ignore[untyped-decorator]
def stops_of_the_retention(db: Database) -> None:
    for statement in RETENTION.strip().split(";\n"):
        db.execute(statement)


# See `RetentionStop`. A server writes it at most once a day.
TRUSTED = "ALTER TABLE retention ADD COLUMN trusted TEXT"


@migrations()  # type: ignore[untyped-decorator]
def trusted_times_of_the_retention(db: Database) -> None:
    db.execute(TRUSTED)


# See `Login`. The number is in the name of the cookies: browsers send those of one host to all of its ports. `page` is
# the URL of the live page at the last start of a server, for `trackd ui`.
LOGINS = """
CREATE TABLE login (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    inserted TEXT NOT NULL,
    expires TEXT NOT NULL,
    token_hash TEXT,
    is_link INTEGER NOT NULL
);
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    page TEXT NOT NULL
);
INSERT INTO installation VALUES (1, random() & 4294967295, '');
"""


@migrations()  # type: ignore[untyped-decorator]
def logins_of_the_live_page(db: Database) -> None:
    for statement in LOGINS.strip().split(";\n"):
        db.execute(statement)


# See `Refusal`. A number is not used again in one history: a reader that continues after it would not see the new one.
REFUSALS = """
CREATE TABLE refusal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    source_id TEXT,
    network TEXT,
    event_type TEXT,
    event_id TEXT,
    profile_id TEXT,
    session_id TEXT,
    faults TEXT NOT NULL,
    body TEXT,
    left_out INTEGER NOT NULL
)
"""


@migrations()  # type: ignore[untyped-decorator]
def refusals(db: Database) -> None:
    db.execute(REFUSALS)


# See feed.py. An erasure has a number among those of the events; erasures before this migration have none.
FEED = """
ALTER TABLE erased ADD COLUMN number INTEGER;
CREATE UNIQUE INDEX erased_by_number ON erased (number) WHERE number IS NOT NULL;
ALTER TABLE event_numbers ADD COLUMN deleted_up_to INTEGER NOT NULL DEFAULT 0;
CREATE TABLE feed_history (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    begins_after INTEGER NOT NULL
);
INSERT INTO feed_history (id, begins_after) VALUES (lower(hex(randomblob(8))), 0);
"""


@migrations()  # type: ignore[untyped-decorator]
def positions_of_erasures_and_histories(db: Database) -> None:
    for statement in FEED.strip().split(";\n"):
        db.execute(statement)


# See `trace_of`. Events that were stored before have none.
RULES_OF_EVENTS = "ALTER TABLE event ADD COLUMN rules TEXT"


@migrations()  # type: ignore[untyped-decorator]
def rules_that_ran_for_events(db: Database) -> None:
    db.execute(RULES_OF_EVENTS)


# Where each history begins among the refusals.
REFUSALS_OF_HISTORIES = "ALTER TABLE feed_history ADD COLUMN refusals_after INTEGER NOT NULL DEFAULT 0"


@migrations()  # type: ignore[untyped-decorator]
def refusals_before_histories(db: Database) -> None:
    db.execute(REFUSALS_OF_HISTORIES)
