"""What a database file holds: its log, its tables, and the time of its newest event. It is only read."""

import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trackd.core.documents import timestamp
from trackd.storage.doctor.finding import Finding, Findings, State, duration, of_error, size
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.connection import Connection, NoDatabaseError, check_path, database_errors
from trackd.storage.sqlite.file_format import table_names
from trackd.storage.sqlite.foreign_log import check_log
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.log_tail import check_tail, read_tail
from trackd.storage.sqlite.opening import side_file
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.rollback_journal import is_interrupted
from trackd.storage.sqlite.upgrading import room_for_upgrade

LOG, TABLES, CLOCK = "log", "tables", "clock"
FAR, NEAR = timedelta(minutes=1), timedelta(seconds=2)
SET_CLOCK = (
    "set this clock before a server starts (`timedatectl`, or the clock of the host), and let it be kept in time"
)
NEWEST = "SELECT hex(max(inserted)) FROM (SELECT inserted FROM event ORDER BY number DESC LIMIT 1000)"


def check_contents(database: Path, now: datetime | None = None) -> Findings:
    """`now` is the time of this clock; None: when the newest event was read."""
    if os.path.lexists(side_file(database, "-restoring")):
        remedy = "run the same `trackd restore` again, with --force"
        yield Finding(LOG, State.FAULT, f"a restore of {database} was interrupted", remedy)
        return
    if is_interrupted(database):
        remedy = "the next start or command on the file rolls it back: keep the file and its journal together"
        yield Finding(LOG, State.NOTE, f"a power loss or a kill has interrupted a change of {database}", remedy)
        return
    try:
        check_path(database)
        check_log(database)
        if not database.exists():
            yield Finding(TABLES, State.OK, "no file yet: the first start makes it")
            return
        with database_errors(database, reading=True):
            yield _log(database)
            with ReadOnlyFile(database, older="keep") as file, file.errors():
                yield _tables(file.lacking, database)
                yield from _clock(file.connection, database, now)
    except NoDatabaseError:
        yield Finding(TABLES, State.OK, "an empty file: the first start makes its tables")
    except StoreError as error:
        yield of_error(TABLES, error)


def _log(database: Path) -> Finding:
    log = side_file(database, "-wal")
    length = log.stat().st_size if log.exists() else 0
    if not length:
        return Finding(LOG, State.OK, "empty: the file was closed in order")
    tail = read_tail(database)
    if tail.is_damage:
        check_tail(database)  # raises, unless a server runs or may have left it so
    if DatabaseLock(database).is_held():
        return Finding(LOG, State.OK, f"{size(length)}, of the server that runs")
    found = f"{log.name} has {size(length)}: the last server was killed, or could not copy it"
    if tail.commits:
        found += f"; {tail.commits} commits at its end are incomplete, as after a power loss, and count as not made"
    remedy = "the next start copies it into the file: never remove it, it has the newest events"
    return Finding(LOG, State.WARNING if tail.commits else State.NOTE, found, remedy)


def _tables(lacking: frozenset[str], database: Path) -> Finding:
    if not lacking:
        return Finding(TABLES, State.OK, "of this version")
    found = f"of an older trackd: they lack {len(lacking)} changes, the next start makes them"
    room, disk = room_for_upgrade(database, lacking), os.statvfs(database.parent)
    remedy = f"run `trackd backup` before; the start needs up to {size(room)} of free disk"
    if (free := disk.f_bavail * disk.f_frsize) < room:
        return Finding(TABLES, State.WARNING, found, f"{remedy}, and {size(free)} are free: make room")
    return Finding(TABLES, State.NOTE, found, remedy)


def _clock(connection: Connection, database: Path, now: datetime | None) -> Findings:
    newest = _newest(connection)
    now = now or datetime.now(UTC)
    written = datetime.fromtimestamp(database.stat().st_mtime, UTC)
    if newest is not None and newest > now + NEAR:
        state = State.FAULT if newest > now + FAR else State.WARNING
        ahead = duration((newest - now).total_seconds())
        found = f"this clock ({timestamp(now)}) is {ahead} behind the newest event ({timestamp(newest)})"
        yield Finding(CLOCK, state, found, SET_CLOCK)
    elif written > now + FAR:
        ahead = duration((written - now).total_seconds())
        found = f"this clock ({timestamp(now)}) is {ahead} behind the time at which the file was written"
        yield Finding(CLOCK, State.WARNING, found, SET_CLOCK)
    elif newest is None:
        yield Finding(CLOCK, State.OK, f"{timestamp(now)}; there are no events to compare it with")
    else:
        age = duration(max((now - newest).total_seconds(), 0))
        yield Finding(CLOCK, State.OK, f"{timestamp(now)}; the newest event arrived {age} before")
    if "retention" in table_names(connection):
        stopped = connection.execute("SELECT stopped_after FROM retention").get
        if stopped is not None:
            found = f"the retention is stopped and deletes nothing: a clock was far ahead of {stopped}"
            yield Finding(CLOCK, State.WARNING, found, "see that this clock is right, then `trackd retention confirm`")


def _newest(connection: Connection) -> datetime | None:
    text = bytes.fromhex(connection.execute(NEWEST).get or "").decode(errors="replace")
    with contextlib.suppress(ValueError):  # a damaged row
        return datetime.fromisoformat(text).astimezone(UTC)
    return None
