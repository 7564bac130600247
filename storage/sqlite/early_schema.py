"""The first migrations of a trackd database, up to its tokens; schema.py has those after them, and their rules."""

from sqlite_utils import Database, Migrations

from trackd.storage.sqlite.file_format import APPLICATION_ID

migrations = Migrations("trackd")

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
