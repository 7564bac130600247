"""Checks of the tables of a file: that they have the columns which trackd uses, and that those of one row have one."""

from collections.abc import Iterator
from itertools import chain

from trackd.storage.sqlite.connection import SQLITE_ERRORS, Connection, DatabaseError

TABLES = {
    "source": "id, name, description, enabled, consent, returns_profile, permanent_profile_id, origins, rate_limit, "
    "tags, inserted, updated",
    "profile": "id, seq, revision, doc, last_event, remembered, reevaluated",
    "merged": "id, into_id",
    "session": "id, profile_id, inserted, updated, context, properties",
    "event": "number, id, profile_id, seq, session_id, source_id, type, created, inserted, status, ip, properties, "
    "context, config, tags, reasons, rules, previous",
    "event_id": "profile_id, id, seq",
    "erased": "hash, erased, number",
    "event_numbers": "id, used_up_to, deleted_up_to",
    "feed_history": "number, id, begins_after, refusals_after",
    "token": "name, hash, scopes, inserted, expires, used",
    "login": "name, hash, scopes, inserted, expires, token_hash, is_link",
    "installation": "id, number, page",
    "job": "number, kind, arguments, state, done, total, position, result, inserted, updated",
    "pii": "name, value, profile_id",
    "refusal": "number, time, status, reason, source_id, network, event_type, event_id, profile_id, session_id, "
    "faults, body, left_out",
}
# The tables of one row, each with the column that has a number.
COUNTS = {
    "event_numbers": "used_up_to",
    "heartbeat": "beats",
    "sources_version": "version",
    "tokens_made": "number",
    "installation": "number",
}

Fault = tuple[str, str]
"""The name of a table, and its fault."""


def check_tables(db: Connection) -> None:
    """Raises DatabaseError when a table has not what every call needs."""
    for table, fault in chain(missing_columns(db), faulty_counts(db)):
        raise DatabaseError(
            f"{db.filename} is damaged, its table {table} cannot be used ({fault}): restore a backup. `trackd verify` "
            "lists all faults."
        )


def missing_columns(db: Connection) -> Iterator[Fault]:
    for table, columns in TABLES.items():
        try:
            db.execute(f"SELECT {columns} FROM {table} LIMIT 0").fetchall()
        except SQLITE_ERRORS as error:
            yield table, str(error)


def faulty_counts(db: Connection) -> Iterator[Fault]:
    """Every commit or every start needs one of these rows."""
    for table, column in COUNTS.items():
        try:
            rows = db.execute(f"SELECT id, typeof({column}), {column} >= 0 FROM {table}").fetchall()
        except SQLITE_ERRORS as error:
            yield table, str(error)
            continue
        if [number for number, *_ in rows] != [1]:
            yield table, f"it has {len(rows)} rows, and not one with the id 1"
        elif rows[0][1:] != ("integer", 1):
            yield table, f"`{column}` is no whole number"
