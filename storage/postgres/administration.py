"""Rows of sources, tokens, logins, jobs and the retention: statements within a transaction of the caller, and reads."""

import json
from collections.abc import Mapping
from typing import Any

from msgspec import MsgspecError
from msgspec import json as msgspec_json

from trackd.core.documents import Login, Source, Token
from trackd.core.jobs import FINISHED_JOBS_KEPT, AddJob, Job, JobState, PutJob
from trackd.core.login_changes import AddLogin, EndLogin, LoginChange, UseLink
from trackd.core.retention_changes import PutRetentionStop
from trackd.core.source_changes import EditSource
from trackd.core.token_changes import PutTokenUse
from trackd.storage.postgres.connection import Connection, Row, text_of

FLAGS = ("enabled", "consent", "returns_profile", "permanent_profile_id")
SOURCE_KINDS = {
    **dict.fromkeys(FLAGS, "boolean"),
    **dict.fromkeys(("origins", "tags"), "json"),
    **dict.fromkeys(("inserted", "updated"), "timestamptz"),
    "rate_limit": "double precision",
}
SOURCE = (*Source.__struct_fields__[:-1], "inserted", "updated")  # `metadata` holds the two times
SOURCE_VALUES = [f"%({name})s::{SOURCE_KINDS.get(name, 'text')}" for name in SOURCE]
SOURCE_COLUMNS = ", ".join(
    f"coalesce({text_of(name)}, '')"
    if SOURCE_KINDS.get(name) == "timestamptz"
    else f"{name}::text"
    if SOURCE_KINDS.get(name) == "json"
    else name
    for name in SOURCE
)
ADD_SOURCE = f"INSERT INTO source ({', '.join(SOURCE)}) VALUES ({', '.join(SOURCE_VALUES)}) ON CONFLICT DO NOTHING"
UPDATE_SOURCE = f"""
UPDATE source SET {", ".join(f"{name} = {value}" for name, value in zip(SOURCE[1:], SOURCE_VALUES[1:], strict=True))}
WHERE id = %(id)s
"""
SELECT_SOURCES = f"SELECT {SOURCE_COLUMNS} FROM source"
SOURCES_VERSION = "SELECT version FROM sources_version"
SELECT_SOURCE = f"{SELECT_SOURCES} WHERE id = %s"
TOKEN = Token.__struct_fields__
TOKEN_COLUMNS = ", ".join(text_of(name) if name in ("inserted", "expires", "used") else name for name in TOKEN)
SELECT_TOKENS = f"SELECT {TOKEN_COLUMNS} FROM token ORDER BY token.inserted, name"
SET_USED = "UPDATE token SET used = %s::timestamptz WHERE hash = %s"
MAX_LOGINS = 1_000  # of which the oldest are ended
LOGIN_COLUMNS = f"name, hash, scopes, {text_of('inserted')}, {text_of('expires')}, token_hash, is_link"
SELECT_LOGINS = f"SELECT {LOGIN_COLUMNS} FROM login WHERE NOT is_link ORDER BY login.inserted"
SELECT_LOGIN = f"SELECT {LOGIN_COLUMNS} FROM login WHERE hash = %s"
ADD_LOGIN = """
INSERT INTO login (name, hash, scopes, inserted, expires, token_hash, is_link)
VALUES (%s, %s, %s, %s::timestamptz, %s::timestamptz, %s, %s) ON CONFLICT (name) DO NOTHING
"""
DELETE_EXPIRED = "DELETE FROM login WHERE expires <= %s::timestamptz"
DELETE_OLDEST = f"DELETE FROM login WHERE number IN (SELECT number FROM login ORDER BY number DESC OFFSET {MAX_LOGINS})"
USE_LINK = """
UPDATE login SET hash = %s, inserted = %s::timestamptz, expires = %s::timestamptz, is_link = false
WHERE hash = %s AND is_link AND expires > %s::timestamptz
"""
END_LOGIN = "DELETE FROM login WHERE hash = %s AND NOT is_link"
JSON_OF_JOB = ("arguments", "position", "result")
JOB = Job.__struct_fields__
SELECT_JOBS = f"SELECT {', '.join(f'{name}::text' if name in JSON_OF_JOB else name for name in JOB)} FROM job"
DROP_JOBS = f"""
DELETE FROM job WHERE state <> 'open' AND kind = %(kind)s AND number NOT IN (
    SELECT number FROM job WHERE state <> 'open' AND kind = %(kind)s ORDER BY number DESC LIMIT {FINISHED_JOBS_KEPT}
)
"""
ADD_JOB = """
INSERT INTO job (kind, arguments, inserted, updated)
VALUES (%(kind)s, %(arguments)s::json, %(inserted)s::timestamptz, %(inserted)s::timestamptz) RETURNING number
"""
PUT_JOB = """
UPDATE job SET arguments = %(arguments)s::json, state = %(state)s, done = %(done)s, total = %(total)s,
    position = %(position)s::json, result = %(result)s::json, updated = %(updated)s::timestamptz
WHERE number = %(number)s AND state = 'open'
"""
SELECT_STOP = f"SELECT {text_of('stopped_after')}, {text_of('confirmed')}, {text_of('trusted')} FROM retention"
PUT_STOP = """
UPDATE retention SET stopped_after = %s::timestamptz, trusted = coalesce(%s::timestamptz, trusted)
WHERE confirmed IS NOT DISTINCT FROM %s::timestamptz
"""


def add_source(db: Connection, source: Source) -> bool:
    """Insert a source. Returns False, and changes nothing, when there is one with its id."""
    return db.run(ADD_SOURCE, _source_row(source)) > 0


def edit_source(db: Connection, change: EditSource) -> Source | None:
    """Change fields of a source, and return it; None when there is no such source. Raises ValueError."""
    rows = db.rows(f"{SELECT_SOURCE} FOR UPDATE", [change.source_id])
    if not rows:
        return None
    try:
        source = source_of(rows[0]).edited(change.fields, change.updated)
    except (TypeError, MsgspecError) as error:
        raise ValueError(str(error)) from error
    db.run(UPDATE_SOURCE, _source_row(source))
    return source


def remove_source(db: Connection, source_id: str) -> bool:
    """Delete a source. Returns whether there was one with this id."""
    return db.run("DELETE FROM source WHERE id = %s", [source_id]) > 0


def source_of(row: Row) -> Source:
    """From the columns of SELECT_SOURCES."""
    return Source.of_row(dict(zip(SOURCE, row, strict=True)))


def _source_row(source: Source) -> Mapping[str, Any]:
    fields = {name: getattr(source, name) for name in Source.__struct_fields__[:-1]}
    time = source.metadata.time
    times = {"inserted": time.insert or None, "updated": time.update or None}
    return {**fields, "origins": json.dumps(source.origins), "tags": json.dumps(source.tags), **times}


def token_of(row: Row) -> Token:
    """From the columns of SELECT_TOKENS."""
    return Token.of_row(dict(zip(TOKEN, row, strict=True)))


def put_token_use(db: Connection, change: PutTokenUse) -> bool:
    return db.run(SET_USED, [change.used, change.hash]) > 0


def login_of(row: Row) -> Login:
    """From the columns of SELECT_LOGIN."""
    name, found_hash, scopes, *others = row
    return Login(name, found_hash, tuple(scopes.split()), *others)


def put_login(db: Connection, change: LoginChange) -> bool:
    """Returns whether the change is written."""
    match change:
        case AddLogin():
            return add_login(db, change.login)
        case UseLink():
            link = [change.hash, change.now, change.expires, change.link_hash, change.now]
            return db.run(USE_LINK, link) > 0
        case EndLogin():
            return db.run(END_LOGIN, [change.hash]) > 0


def add_login(db: Connection, login: Login) -> bool:
    """Add a login or a link, and delete those that have expired; False when there is one with its name."""
    db.run(DELETE_EXPIRED, [login.inserted])
    scopes = " ".join(login.scopes)
    row = [login.name, login.hash, scopes, login.inserted, login.expires, login.token_hash, login.is_link]
    is_added = db.run(ADD_LOGIN, row) > 0
    db.run(DELETE_OLDEST)
    return is_added


def add_job(db: Connection, change: AddJob) -> int:
    """Insert a job, and return its number."""
    db.run(DROP_JOBS, {"kind": change.kind})
    row = {"kind": change.kind, "arguments": _text(change.arguments), "inserted": change.inserted}
    [(number,)] = db.rows(ADD_JOB, row)
    return int(number)


def put_job(db: Connection, change: PutJob) -> bool:
    """Update an open job. Returns whether there was one with this number."""
    job = change.job
    row = {name: getattr(job, name) for name in JOB} | {"updated": change.updated, "state": str(job.state)}
    row |= {name: _text(row[name]) for name in JSON_OF_JOB}
    if job.state is not JobState.OPEN:
        row["arguments"] = row["position"] = "{}"
    return db.run(PUT_JOB, row) > 0


def job_of(row: Row) -> Job:
    """From the columns of SELECT_JOBS."""
    values = dict(zip(JOB, row, strict=True))
    values |= {name: msgspec_json.decode(values[name]) for name in JSON_OF_JOB}
    return Job(**{**values, "state": JobState(values["state"])})


def put_stop(db: Connection, change: PutRetentionStop) -> bool:
    """Write the change, unless a person has confirmed the clock meanwhile. Returns whether it is written."""
    return db.run(PUT_STOP, [change.after, change.trusted, change.confirmed]) > 0


def _text(value: Any) -> str:
    return msgspec_json.encode(value).decode()
