"""The tables in a PostgreSQL database, as migrations.

A migration that has landed never changes, nor its name. Add another one at the end.
"""

import secrets
from typing import Any

import psycopg

from trackd.config.store_url import masked
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import reason_of
from trackd.storage.postgres.first_tables import FIRST_TABLES
from trackd.storage.postgres.making import lacking_privileges, obstacle, remedy_of, schema_of_tables

LOCK = 0x74726B64  # of the migrations: nodes may start at the same time
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
# See copying.py. A copy that is not complete has a part of the rows.
COPIES_OF_FILES = """
CREATE TABLE copied_file (
    id integer PRIMARY KEY CHECK (id = 1),
    fingerprint text NOT NULL,
    is_complete boolean NOT NULL
);
"""
# See RESTORED: the transaction that wrote the first row of trackd_migration.
RESTORES = """
ALTER TABLE installation ADD COLUMN written_by text;
"""
MIGRATIONS = {
    "first_tables": FIRST_TABLES,
    "notifications": NOTIFICATIONS,
    "claims": CLAIMS,
    "copies_of_files": COPIES_OF_FILES,
    "restores": RESTORES,
}
SCRIPT = "\n".join(MIGRATIONS.values())
MIGRATION_TABLE = """
CREATE TABLE trackd_migration (
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
# Rows of a dump are written again: what was committed after it is lost, and cursors of that must not go on. NULL when
# the transaction was not noted yet.
RESTORED = """
WITH now AS (SELECT xmin::text AS id FROM trackd_migration WHERE name = 'first_tables'),
before AS (SELECT written_by AS id FROM installation),
noted AS (UPDATE installation SET written_by = now.id FROM now WHERE written_by IS DISTINCT FROM now.id)
SELECT before.id <> now.id FROM before, now
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
        if schema_of_tables(connection) is None:
            if (obstacle_found := obstacle(connection, SCRIPT)) is not None:
                raise StoreError(f"{masked(url)} has no tables of trackd: {'; '.join(obstacle_found)}.")
            raise StoreError(f"{masked(url)} has no tables of trackd: the first `trackd serve` on it makes them.")
        applied = {name for (name,) in connection.execute("SELECT name FROM trackd_migration")}
    except psycopg.Error as error:
        raise StoreError(f"{masked(url)} cannot be read: {reason_of(error)}{remedy_of(error)}.") from error
    if applied - set(MIGRATIONS):
        raise StoreError(f"{_too_new(applied, url)}.")
    if lacking := [name for name in MIGRATIONS if name not in applied]:
        raise StoreError(
            f"{masked(url)} was written by an older trackd (it lacks {', '.join(lacking)}): start `trackd serve` on "
            "it once to bring its tables up to date."
        )
    _check_copy(connection, url)


def _check_copy(connection: psycopg.Connection[Any], url: str) -> None:
    if connection.execute("SELECT 1 FROM copied_file WHERE NOT is_complete").fetchone() is not None:
        raise StoreError(
            f"{masked(url)} has an incomplete copy of a file: run the same `trackd migrate` again until it is complete"
        )


def _too_new(applied: set[str], url: str) -> str:
    names = ", ".join(sorted(applied - set(MIGRATIONS)))
    return f"{masked(url)} was upgraded by a newer trackd ({names}): upgrade this one too"


def migrate(connection: psycopg.Connection[Any], url: str, *, accepts_incomplete: bool = False) -> None:
    """Apply the pending migrations, in one transaction; other nodes that start wait for it.

    Raises StoreError for a schema that is newer than this trackd, when the user may not create tables, and without
    `accepts_incomplete` for an incomplete copy of a file.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            connection.execute("SET LOCAL client_min_messages = warning")
            _make_tables(connection, url)
            if not accepts_incomplete:
                _check_copy(connection, url)
            connection.execute(FIRST_ROWS, (secrets.randbits(32),))
            [(is_restored,)] = connection.execute(RESTORED).fetchall()
            is_moved = connection.execute(MOVE_NUMBERS, {"bits": NUMBER_BITS}).rowcount > 0
            is_new = connection.execute("SELECT 1 FROM feed_history LIMIT 1").fetchone() is None
            if is_moved or is_new or is_restored:
                connection.execute(BEGIN_HISTORY, (secrets.token_hex(8),))
    except psycopg.Error as error:
        fault = f"the tables of {masked(url)} cannot be made or written"
        raise StoreError(f"{fault}: {reason_of(error)}{remedy_of(error)}") from error


def _make_tables(connection: psycopg.Connection[Any], url: str) -> None:
    """Make those that are missing, beside those that are there: a user that may not make any needs no right to."""
    schema = schema_of_tables(connection)
    if schema is None:
        if (found := obstacle(connection, SCRIPT)) is not None:
            raise StoreError(f"the tables of {masked(url)} cannot be made: {'; '.join(found)}")
        connection.execute(MIGRATION_TABLE)
    applied = {name for (name,) in connection.execute("SELECT name FROM trackd_migration")}
    if applied - set(MIGRATIONS):
        raise StoreError(_too_new(applied, url))
    if schema is not None and set(MIGRATIONS) - applied:
        connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", (schema,))
    for name, script in MIGRATIONS.items():
        if name not in applied:
            connection.execute(script.encode())
            connection.execute("INSERT INTO trackd_migration (name) VALUES (%s)", (name,))
    if schema is not None and (lacking := lacking_privileges(connection, schema, SCRIPT)) is not None:
        raise StoreError(f"the tables of {masked(url)} cannot be used: {'; '.join(lacking)}")
