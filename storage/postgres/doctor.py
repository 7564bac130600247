"""What `trackd doctor` examines of a PostgreSQL database. It is only read."""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from trackd.config.store_url import masked
from trackd.core.documents import timestamp
from trackd.storage.doctor.finding import Finding, Findings, State, duration
from trackd.storage.postgres.connection import CONNECT_TIMEOUT_S, OLDEST_SERVER, reason_of
from trackd.storage.postgres.making import lacking_privileges, obstacle, schema_of_tables
from trackd.storage.postgres.schema import MIGRATIONS, SCRIPT

DATABASE, CLOCK, TABLES = "database", "clock", "tables"
ROUND_TRIPS = 20
SLOW_S = 0.005  # of a round trip: a call whose profile is not in memory waits for three
NODE_CONNECTIONS = 12
FAR, NEAR = timedelta(minutes=1), timedelta(seconds=1)
LONG_S = 60
CONNECTIONS = """
SELECT current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
    - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
"""
OLDEST = """
SELECT pid, extract(epoch FROM now() - xact_start)::float8, coalesce(application_name, '') FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1
"""
OTHER_OWNERS = """
SELECT DISTINCT tableowner FROM pg_tables
WHERE schemaname = %(schema)s AND NOT pg_has_role(current_user, tableowner, 'USAGE')
"""
NEWEST = "SELECT max(inserted) FROM (SELECT inserted FROM event ORDER BY number DESC LIMIT 1000) AS newest"
READABLE = "SET DateStyle = 'ISO'; SET TimeZone = 'UTC'; SET statement_timeout = 0"  # whatever the user has set
Connection = psycopg.Connection[Any]


def check_database(url: str) -> Findings:
    """Everything about the database, as far as it can be reached."""
    try:
        db = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    except (psycopg.Error, UnicodeError) as error:
        remedy = "see that the server runs and listens, and that its pg_hba.conf lets this user in; `psql URL` tries it"
        yield Finding(DATABASE, State.FAULT, f"no connection to {masked(url)}: {reason_of(error)}", remedy)
        return
    with db:
        db.execute(READABLE)
        for check, examine in CHECKS.items():
            try:
                yield from examine(db)
            except psycopg.Error as error:
                remedy = "see the log of the PostgreSQL server"
                yield Finding(check, State.FAULT, f"it cannot be examined: {reason_of(error)}", remedy)


def _check_speed(db: Connection) -> Findings:
    times = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        db.execute("SELECT 1")
        times.append(time.perf_counter() - began)
    found = f"it answers, a round trip takes {duration(statistics.median(times))}"
    if statistics.median(times) > SLOW_S:
        yield Finding(DATABASE, State.WARNING, found, "run trackd nearer to the database")
    else:
        yield Finding(DATABASE, State.OK, found)


def _check_version(db: Connection) -> Findings:
    version = str(_one(db, "SHOW server_version"))
    if db.info.server_version < OLDEST_SERVER:
        yield Finding("PostgreSQL", State.FAULT, version, "install version 15 or later")
    else:
        yield Finding("PostgreSQL", State.OK, version)


def _check_encoding(db: Connection) -> Findings:
    encoding = str(_one(db, "SHOW server_encoding"))
    remedy = "create another database: `createdb NAME --encoding UTF8 --template template0`"
    yield Finding(
        "encoding", *((State.OK, encoding) if encoding == "UTF8" else (State.FAULT, f"{encoding}, not UTF8", remedy))
    )


def _check_writable(db: Connection) -> Findings:
    if _one(db, "SELECT pg_is_in_recovery()"):
        remedy = "name the primary, or all hosts with `target_session_attrs=read-write` in the URL"
        yield Finding("writing", State.FAULT, "it is a standby, which only reads", remedy)
    elif _one(db, "SHOW transaction_read_only") == "on":
        remedy = "reset default_transaction_read_only of the server, the database or the user"
        yield Finding("writing", State.FAULT, "its transactions are read-only", remedy)
    else:
        yield Finding("writing", State.OK, "its transactions may write")


def _check_commits(db: Connection) -> Findings:
    for setting in ("fsync", "full_page_writes"):
        if _one(db, f"SHOW {setting}") == "off":
            found = f"{setting} is off: a power failure may lose answered calls and damage the database"
            yield Finding("commits", State.FAULT, found, f"set {setting} = on in postgresql.conf")
    if _one(db, "SHOW synchronous_standby_names"):
        yield Finding("commits", State.OK, "a commit waits for the disk and for a synchronous standby")
    else:
        found = "a commit waits for the disk of this server alone: what it lost is lost"
        yield Finding("commits", State.NOTE, found, "name a standby in synchronous_standby_names, and keep dumps")


def _check_connections(db: Connection) -> Findings:
    [(free, of_database, of_user)] = db.execute(CONNECTIONS.encode()).fetchall()
    allowed = min(each for each in (free, of_database, of_user) if each is not None)
    found = f"{allowed} more are allowed, a node uses up to {NODE_CONNECTIONS}"
    if allowed < NODE_CONNECTIONS:
        remedy = "raise max_connections, or the limit of the database or the user, when another node is to start"
        yield Finding("connections", State.WARNING, found, remedy)
    else:
        yield Finding("connections", State.OK, found)


def _check_transactions(db: Connection) -> Findings:
    for pid, seconds, name in db.execute(OLDEST.encode()):
        if seconds is not None and seconds > LONG_S:
            found = f"one that writes is open for {duration(seconds)} (pid {pid} {name!r}): the feed waits for it"
            remedy = f"end it (`SELECT pg_terminate_backend({pid})`), and find out which program leaves it open"
            yield Finding("transactions", State.WARNING, found, remedy)
            return
    yield Finding("transactions", State.OK, "none that writes is open for long")


def _check_privileges(db: Connection) -> Findings:
    user, schema = _one(db, "SELECT current_user"), schema_of_tables(db)
    if schema is None:
        if (hindrance := obstacle(db, SCRIPT)) is not None:
            yield Finding("privileges", State.FAULT, *hindrance)
        else:
            yield Finding("privileges", State.OK, f"{user} may make the tables")
        return
    if (fault := lacking_privileges(db, schema, SCRIPT)) is not None:
        yield Finding("privileges", State.FAULT, *fault)
    elif owners := [name for (name,) in db.execute(OTHER_OWNERS.encode(), {"schema": schema})]:
        found = f"{user} may read and write all tables; they belong to {', '.join(owners)}, who has to upgrade them"
        yield Finding("privileges", State.NOTE, found, f"start a new version of trackd as {owners[0]} first")
    else:
        yield Finding("privileges", State.OK, f"{user} may read and write all tables, and upgrade them")


def _check_tables(db: Connection) -> Findings:
    if schema_of_tables(db) is None:
        yield Finding(TABLES, State.OK, "none yet: the first start makes them")
        return
    applied = {name for (name,) in db.execute("SELECT name FROM trackd_migration")}
    if newer := applied - set(MIGRATIONS):
        found = f"of a newer trackd ({', '.join(sorted(newer))})"
        yield Finding(TABLES, State.FAULT, found, "upgrade this trackd")
    elif lacking := set(MIGRATIONS) - applied:
        found = f"of an older trackd: they lack {len(lacking)} changes, the next start makes them"
        yield Finding(TABLES, State.NOTE, found, "run `pg_dump` before, and upgrade all nodes")
    elif db.execute("SELECT 1 FROM copied_file WHERE NOT is_complete").fetchone():
        remedy = "run the same `trackd migrate` again until it is complete"
        yield Finding(TABLES, State.FAULT, "an incomplete copy of a file", remedy)
    else:
        yield Finding(TABLES, State.OK, "of this version")


def _check_clock(db: Connection) -> Findings:
    before = datetime.now(UTC)
    server: datetime = _one(db, "SELECT clock_timestamp()")
    now = datetime.now(UTC)
    away = max(before - server, server - now)
    if away > NEAR:
        side = "behind" if server > now else "ahead of"
        found = f"this clock ({timestamp(now)}) is {duration(away.total_seconds())} {side} that of the database"
        remedy = "set both clocks, and let them be kept in time: nodes and the database share times"
        yield Finding(CLOCK, State.WARNING, found, remedy)
    else:
        yield Finding(CLOCK, State.OK, f"{timestamp(now)}, as that of the database")
    if schema_of_tables(db) is None:
        return
    newest: datetime | None = _one(db, NEWEST)
    if newest is not None and newest > now + FAR:
        found = f"this clock is {duration((newest - now).total_seconds())} behind the newest event"
        yield Finding(CLOCK, State.FAULT, found, "set this clock before a server starts")
    stopped = next(iter(db.execute("SELECT stopped_after FROM retention")), (None,))[0]
    if stopped is not None:
        found = f"the retention is stopped and deletes nothing: a clock was far ahead of {timestamp(stopped)}"
        yield Finding(CLOCK, State.WARNING, found, "see that this clock is right, then `trackd retention confirm`")


def _one(db: Connection, sql: str) -> Any:
    [(value,)] = db.execute(sql.encode()).fetchall()
    return value


CHECKS: dict[str, Callable[[Connection], Iterator[Finding]]] = {
    DATABASE: _check_speed,
    "PostgreSQL": _check_version,
    "encoding": _check_encoding,
    "writing": _check_writable,
    "commits": _check_commits,
    "connections": _check_connections,
    "transactions": _check_transactions,
    "privileges": _check_privileges,
    TABLES: _check_tables,
    CLOCK: _check_clock,
}
