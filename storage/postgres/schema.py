"""The tables in a PostgreSQL database, as migrations.

A migration that has landed never changes, nor its name. Add another one at the end.
"""

import secrets
from typing import Any

import psycopg

from trackd.config.store_url import masked
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import reason_of

LOCK = 0x74726B64  # of the migrations: nodes may start at the same time
# `number` of an event or an erasure is its place in the order of commits: see numbers.py. Texts are compared by their
# bytes, as Python compares them. Documents are `json`, not `jsonb`, which changes numbers and the order of keys.
FIRST_TABLES = """
CREATE TABLE source (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL,
    enabled boolean NOT NULL,
    consent boolean NOT NULL,
    returns_profile boolean NOT NULL,
    permanent_profile_id boolean NOT NULL,
    origins json NOT NULL,
    rate_limit double precision,
    tags json NOT NULL,
    inserted timestamptz,
    updated timestamptz
);
CREATE TABLE sources_version (id integer PRIMARY KEY CHECK (id = 1), version bigint NOT NULL);
INSERT INTO sources_version VALUES (1, 0);
CREATE FUNCTION source_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sources_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER source_changed AFTER INSERT OR UPDATE OR DELETE ON source
FOR EACH STATEMENT EXECUTE FUNCTION source_changed();
CREATE TABLE profile (
    id text COLLATE "C" PRIMARY KEY,
    seq bigint NOT NULL,
    revision bigint NOT NULL,
    doc json NOT NULL,
    remembered bigint NOT NULL DEFAULT 0,
    reevaluated timestamptz,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE
) WITH (fillfactor = 80);
CREATE TABLE merged (id text COLLATE "C" PRIMARY KEY, into_id text COLLATE "C" NOT NULL);
CREATE INDEX merged_by_profile ON merged (into_id);
CREATE TABLE erased (
    hash text COLLATE "C" PRIMARY KEY,
    erased timestamptz NOT NULL,
    number bigint NOT NULL UNIQUE
);
CREATE TABLE session (
    id text COLLATE "C" PRIMARY KEY,
    profile_id text COLLATE "C" NOT NULL,
    inserted timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    context json NOT NULL,
    properties json NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE
) WITH (fillfactor = 80);
CREATE INDEX session_by_profile ON session (profile_id, number);
CREATE TABLE event (
    number bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    profile_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL,
    inserted timestamptz NOT NULL,
    status text NOT NULL,
    ip text,
    properties json NOT NULL,
    context json NOT NULL,
    config json NOT NULL,
    tags json NOT NULL,
    reasons json,
    rules json
);
CREATE INDEX event_by_profile ON event (profile_id, number);
CREATE INDEX event_by_id ON event (id, profile_id);
CREATE TABLE event_id (
    profile_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint,
    PRIMARY KEY (profile_id, id)
);
CREATE TABLE event_numbers (
    id integer PRIMARY KEY CHECK (id = 1),
    xid_offset bigint NOT NULL,
    deleted_up_to bigint NOT NULL
);
INSERT INTO event_numbers VALUES (1, 0, 0);
CREATE TABLE feed_history (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    begins_after bigint NOT NULL,
    refusals_after bigint NOT NULL
);
CREATE TABLE pii (
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    profile_id text COLLATE "C" NOT NULL
);
CREATE INDEX pii_by_value ON pii (name, md5(value));
CREATE INDEX pii_by_profile ON pii (profile_id);
CREATE TABLE heartbeat (id integer PRIMARY KEY CHECK (id = 1), beats bigint NOT NULL);
INSERT INTO heartbeat VALUES (1, 0);
CREATE TABLE token (
    name text COLLATE "C" PRIMARY KEY,
    hash text NOT NULL UNIQUE,
    scopes text NOT NULL,
    inserted timestamptz NOT NULL,
    expires timestamptz,
    used timestamptz
);
CREATE TABLE tokens_made (id integer PRIMARY KEY CHECK (id = 1), number bigint NOT NULL);
INSERT INTO tokens_made VALUES (1, 0);
CREATE FUNCTION token_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tokens_made SET number = number + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER token_made AFTER INSERT ON token FOR EACH STATEMENT EXECUTE FUNCTION token_made();
CREATE TABLE login (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    hash text NOT NULL UNIQUE,
    scopes text NOT NULL,
    inserted timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    token_hash text,
    is_link boolean NOT NULL
);
CREATE TABLE installation (
    id integer PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL,
    page text NOT NULL
);
CREATE TABLE job (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    arguments json NOT NULL,
    state text NOT NULL DEFAULT 'open',
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    position json NOT NULL DEFAULT '{}',
    result json NOT NULL DEFAULT '{}',
    inserted timestamptz NOT NULL,
    updated timestamptz NOT NULL
);
CREATE TABLE retention (
    id integer PRIMARY KEY CHECK (id = 1),
    stopped_after timestamptz,
    confirmed timestamptz,
    trusted timestamptz
);
INSERT INTO retention VALUES (1, NULL, NULL, NULL);
CREATE TABLE refusal (
    number bigint PRIMARY KEY,
    time timestamptz NOT NULL,
    status integer NOT NULL,
    reason text NOT NULL,
    source_id text,
    network text,
    event_type text,
    event_id text,
    profile_id text COLLATE "C",
    session_id text COLLATE "C",
    faults json NOT NULL,
    body text,
    left_out bigint NOT NULL
);
CREATE TABLE refusal_numbers (id integer PRIMARY KEY CHECK (id = 1), used_up_to bigint NOT NULL);
INSERT INTO refusal_numbers VALUES (1, 0);
"""
CHANNEL = "trackd"  # of notifications: see notices.py
NOTIFICATIONS = f"""
CREATE FUNCTION notify_nodes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{CHANNEL}', TG_TABLE_NAME);
    RETURN NULL;
END
$$;
CREATE TRIGGER source_notified AFTER INSERT OR UPDATE OR DELETE ON source
FOR EACH STATEMENT EXECUTE FUNCTION notify_nodes();
CREATE TRIGGER token_notified AFTER INSERT OR DELETE OR UPDATE OF name, hash, scopes, expires ON token
FOR EACH STATEMENT EXECUTE FUNCTION notify_nodes();
CREATE TRIGGER job_notified AFTER INSERT OR UPDATE OR DELETE ON job
FOR EACH STATEMENT EXECUTE FUNCTION notify_nodes();
"""
CLAIMS = """
ALTER TABLE profile ADD COLUMN claimed_by bigint, ADD COLUMN claimed_until timestamptz;
"""
MIGRATIONS = {"first_tables": FIRST_TABLES, "notifications": NOTIFICATIONS, "claims": CLAIMS}
MIGRATION_TABLE = """
CREATE TABLE IF NOT EXISTS trackd_migration (
    name text PRIMARY KEY,
    applied timestamptz NOT NULL DEFAULT now()
)
"""
FIRST_ROWS = """
INSERT INTO installation VALUES (1, %s, '') ON CONFLICT DO NOTHING
"""
# A database that was copied to another server has numbers that are ahead of that server's transactions.
MOVE_NUMBERS = """
WITH last AS (
    SELECT greatest(
        (SELECT max(number) FROM event), (SELECT max(number) FROM erased), (SELECT deleted_up_to FROM event_numbers)
    ) >> %(bits)s AS xid
)
UPDATE event_numbers SET xid_offset = last.xid + 1 - pg_current_xact_id()::text::bigint FROM last
WHERE last.xid >= xid_offset + pg_current_xact_id()::text::bigint
"""
BEGIN_HISTORY = """
INSERT INTO feed_history (id, begins_after, refusals_after) SELECT %s, greatest(
    (SELECT max(number) FROM event), (SELECT max(number) FROM erased), (SELECT deleted_up_to FROM event_numbers)
), (SELECT used_up_to FROM refusal_numbers)
"""
NUMBER_BITS = 18  # of a number: the place in its transaction


def check_tables(connection: psycopg.Connection[Any], url: str) -> None:
    """For a command that only reads. Raises StoreError, a sentence, when the tables are not those of this trackd."""
    try:
        [(is_made,)] = connection.execute("SELECT to_regclass('trackd_migration') IS NOT NULL").fetchall()
        if not is_made:
            raise StoreError(f"{masked(url)} has no tables of trackd: the first `trackd serve` on it makes them.")
        applied = {name for (name,) in connection.execute("SELECT name FROM trackd_migration")}
    except psycopg.Error as error:
        raise StoreError(f"{masked(url)} cannot be read: {reason_of(error)}.") from error
    if applied - set(MIGRATIONS):
        raise StoreError(f"{_too_new(applied, url)}.")
    if lacking := [name for name in MIGRATIONS if name not in applied]:
        raise StoreError(
            f"{masked(url)} was written by an older trackd (it lacks {', '.join(lacking)}): start `trackd serve` on "
            "it once to bring its tables up to date."
        )


def _too_new(applied: set[str], url: str) -> str:
    names = ", ".join(sorted(applied - set(MIGRATIONS)))
    return f"{masked(url)} was upgraded by a newer trackd ({names}): upgrade this one too"


def migrate(connection: psycopg.Connection[Any], url: str) -> None:
    """Apply the pending migrations, in one transaction; other nodes that start wait for it.

    Raises StoreError for a schema that is newer than this trackd, and when the user may not create tables.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(MIGRATION_TABLE)
            applied = {name for (name,) in connection.execute("SELECT name FROM trackd_migration")}
            if applied - set(MIGRATIONS):
                raise StoreError(_too_new(applied, url))
            for name, script in MIGRATIONS.items():
                if name not in applied:
                    connection.execute(script.encode())
                    connection.execute("INSERT INTO trackd_migration (name) VALUES (%s)", (name,))
            connection.execute(FIRST_ROWS, (secrets.randbits(32),))
            is_moved = connection.execute(MOVE_NUMBERS, {"bits": NUMBER_BITS}).rowcount > 0
            is_new = connection.execute("SELECT 1 FROM feed_history LIMIT 1").fetchone() is None
            if is_moved or is_new:
                connection.execute(BEGIN_HISTORY, (secrets.token_hex(8),))
    except psycopg.Error as error:
        raise StoreError(f"the tables of {masked(url)} cannot be made: {reason_of(error)}") from error
