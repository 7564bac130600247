"""The tables of a trackd database, as migrations.

A migration that has landed never changes, nor its name, which every file contains. Add another one at the end, and its
name to file_format.py.
"""

import contextlib
import json

from sqlite_utils import Database, Migrations

from trackd.core.origins import canonical_origin
from trackd.storage.sqlite.connection import Connection
from trackd.storage.sqlite.file_format import APPLICATION_ID
from trackd.storage.sqlite.pii_index import put_pii_of_documents

migrations = Migrations("trackd")


def migrate(connection: Connection) -> None:
    """Apply the pending migrations, within the transaction of the caller."""
    migrations.apply(Database(connection))


# `event` is in the order of arrival, with an integer key. Event ids of clients are random, which makes them expensive
# to index: only those are in `event_id`.
TABLES = """
CREATE TABLE source (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    consent INTEGER NOT NULL,
    returns_profile INTEGER NOT NULL,
    permanent_profile_id INTEGER NOT NULL,
    origins TEXT NOT NULL,
    rate_limit REAL,
    tags TEXT NOT NULL,
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE TABLE profile (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
);
CREATE TABLE merged (
    id TEXT PRIMARY KEY,
    into_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    profile_id TEXT NOT NULL,
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL,
    context TEXT NOT NULL,
    properties TEXT NOT NULL
);
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    profile_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    type TEXT NOT NULL,
    created TEXT NOT NULL,
    inserted TEXT NOT NULL,
    status TEXT NOT NULL,
    ip TEXT,
    properties TEXT NOT NULL,
    context TEXT NOT NULL,
    config TEXT NOT NULL,
    tags TEXT NOT NULL
);
CREATE TABLE event_id (
    profile_id TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER,
    PRIMARY KEY (profile_id, id)
) WITHOUT ROWID;
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL
);
INSERT INTO heartbeat VALUES (1, 0);
CREATE TABLE sources_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);
INSERT INTO sources_version VALUES (1, 0);
"""

# Triggers, so that a running server also sees a change that was made with another SQLite tool.
SOURCE_CHANGED = """
CREATE TRIGGER source_{verb} AFTER {verb} ON source
BEGIN
    UPDATE sources_version SET version = version + 1;
END
"""


@migrations()  # type: ignore[untyped-decorator]
def first_tables(db: Database) -> None:
    for statement in TABLES.strip().split(";\n"):
        db.execute(statement)
    for verb in ("INSERT", "UPDATE", "DELETE"):
        db.execute(SOURCE_CHANGED.format(verb=verb))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@migrations()  # type: ignore[untyped-decorator]
def reasons_of_invalid_events(db: Database) -> None:
    db.execute("ALTER TABLE event ADD COLUMN reasons TEXT")


# See event_chain.py. An index on (profile_id, seq) in place of the chain made a commit of 64 calls write 159 pages, not
# 68. The ids that trackd gives to events are time-ordered, so that the index on them grows at its end.
CHAIN = """
ALTER TABLE event ADD COLUMN previous INTEGER;
ALTER TABLE profile ADD COLUMN last_event INTEGER;
UPDATE event SET previous = chain.previous FROM (
    SELECT number, lag(number) OVER (PARTITION BY profile_id ORDER BY number) AS previous FROM event
) AS chain WHERE chain.number = event.number;
UPDATE profile SET last_event = chain.last_event FROM (
    SELECT profile_id, max(number) AS last_event FROM event GROUP BY profile_id
) AS chain WHERE chain.profile_id = profile.id;
CREATE INDEX event_by_id ON event (id);
CREATE INDEX session_by_profile ON session (profile_id);
"""

ERASED = """
CREATE TABLE erased (
    hash TEXT PRIMARY KEY,
    erased TEXT NOT NULL
) WITHOUT ROWID
"""


@migrations()  # type: ignore[untyped-decorator]
def chain_of_each_profiles_events(db: Database) -> None:
    for statement in CHAIN.strip().split(";\n"):
        db.execute(statement)


@migrations()  # type: ignore[untyped-decorator]
def tombstones_of_erased_profiles(db: Database) -> None:
    db.execute(ERASED)


# `scopes` are separated by spaces. `tokens_made` also counts revoked tokens: `trackd serve` makes a first token only in
# a file that never had one.
TOKENS = """
CREATE TABLE token (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    inserted TEXT NOT NULL
);
CREATE TABLE tokens_made (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO tokens_made VALUES (1, 0);
"""
COUNT_TOKENS = """
CREATE TRIGGER token_made AFTER INSERT ON token
BEGIN
    UPDATE tokens_made SET number = number + 1;
END
"""


@migrations()  # type: ignore[untyped-decorator]
def tokens(db: Database) -> None:
    for statement in TOKENS.strip().split(";\n"):
        db.execute(statement)
    db.execute(COUNT_TOKENS)


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
