"""The backend for an SQLite file: a connection for reads by key, and the writer of writer.py."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw
from msgspec import Raw, Struct

from trackd.core.changes import Change, Outcome
from trackd.core.documents import FirstCopy, Login, Profile, Session, Source, Token, tombstone
from trackd.core.encoding import json_text
from trackd.core.jobs import Job
from trackd.core.retention_changes import RetentionStop, Swept
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.sqlite.checkpointer import checkpoint, log_pages
from trackd.storage.sqlite.connection import (
    NOT_UTF_8,
    SQLITE_ERRORS,
    USUAL_LOG_PAGES,
    Connection,
    DatabaseError,
    connect,
    connect_for_writing,
    database_errors,
    keep_log_at_close,
)
from trackd.storage.sqlite.damage_check import DamageCheck
from trackd.storage.sqlite.database import open_prepared
from trackd.storage.sqlite.event_chain import walk
from trackd.storage.sqlite.job_rows import job_of_row
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.log_renewal import renew_log
from trackd.storage.sqlite.log_tail import settle_tail
from trackd.storage.sqlite.logins import SELECT_INSTALLATION, SELECT_LOGIN, login_of_row
from trackd.storage.sqlite.opened_files import OpenedFiles
from trackd.storage.sqlite.opening import log_kept_open, side_file
from trackd.storage.sqlite.retention_stop import NEWEST_TIME, SELECT_STOP, newest_time
from trackd.storage.sqlite.side_files import prepare
from trackd.storage.sqlite.sound_rows import SoundRows
from trackd.storage.sqlite.soundness import BackgroundCheck, check_after_unclean_end
from trackd.storage.sqlite.writer import SqliteWriter
from trackd.storage.store import OfOneServer

SELECT_PROFILE = "SELECT id, seq, revision, doc, remembered FROM profile WHERE id = ?"
SELECT_PROFILE_MERGED_INTO = """
SELECT id, seq, revision, doc, remembered FROM profile WHERE id = (SELECT into_id FROM merged WHERE id = ?)
"""
SELECT_TOMBSTONE = "SELECT 1 FROM erased WHERE hash = ?"
SELECT_SESSION = "SELECT id, profile_id, inserted, updated, context, properties FROM session WHERE id = ?"
SELECT_SESSION_AND_PROFILE = """
SELECT session.id, session.profile_id, session.inserted, session.updated, session.context, session.properties,
    profile.id, profile.seq, profile.revision, profile.doc, profile.remembered
FROM session LEFT JOIN profile ON profile.id = session.profile_id WHERE session.id = ?
"""
SELECT_KNOWN_EVENTS = "SELECT id, seq FROM event_id WHERE profile_id = ? AND id IN (SELECT value FROM json_each(?))"
FEW_IDS = 8  # of a usual call: they have statements of their own, which need no list in JSON
SELECT_FEW_KNOWN_EVENTS = [
    f"SELECT id, seq FROM event_id WHERE profile_id = ? AND id IN ({', '.join('?' * number)})"
    for number in range(FEW_IDS + 1)
]
# An id is looked up among its newest events; when many profiles have it, among the last events of the profile.
SELECT_BY_ID = """
SELECT event.id, event.type, event.source_id, event.status FROM json_each(:ids) AS wanted JOIN event ON event.number = (
    SELECT number FROM (
        SELECT number, profile_id FROM event WHERE event.id = wanted.value ORDER BY number DESC LIMIT 20
    ) WHERE profile_id = :profile LIMIT 1
)
"""
LAST_EVENT = "(SELECT last_event FROM profile WHERE id = :profile)"
IS_WANTED = "event.id IN (SELECT value FROM json_each(:ids))"
SELECT_BY_CHAIN = f"""
{walk(profile=":profile", start=LAST_EVENT, depth="1000", counted=IS_WANTED, most=":missing - 1")}
SELECT event.id, event.type, event.source_id, event.status FROM walk JOIN event USING (number) WHERE {IS_WANTED}
"""
Parameters = Sequence[str] | Mapping[str, str | int]
T = TypeVar("T", bound=Struct)


class SqliteStore(OfOneServer):
    """See `Store`. Opens the file at `path`, and creates it when it is missing. Raises DatabaseError.

    `synchronous` is SQLite's setting for durability, FULL or NORMAL.
    """

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self.path = path
        self._log = side_file(path, "-wal")
        self._synchronous = synchronous
        prepare(path)
        self._damage_check = DamageCheck(path)
        self._sources = SoundRows("source", "id", Source.of_row)
        self._tokens = SoundRows("token", "name", Token.of_row)
        self._jobs = SoundRows("job", "number", job_of_row)
        with log_kept_open(path):
            unchecked = check_after_unclean_end(path)
            settle_tail(path, synchronous)
            self._open(open_prepared(path, synchronous=synchronous))
        self._background_check = BackgroundCheck(path, unchecked)

    def _open(self, connection: Connection, identity: str = "") -> None:
        keep_log_at_close(connection)  # until it is copied
        self._connection = connection
        files = OpenedFiles(self.path, identity, connection)
        self._writer = SqliteWriter(connection, files, self._synchronous)
        with database_errors(self.path):
            self._reader = connect(self.path, mode="ro")
            self._reader.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # else new values may prepare a statement again
        self.files = OpenedFiles(self.path, files.identity, self._reader)

    def reopen(self) -> None:
        """Open the file again after `close_and_keep_log`. Raises DatabaseError, also when another file is there."""
        with database_errors(self.path):
            self._open(connect_for_writing(self.path, synchronous=self._synchronous), self.files.identity)
            self.files.check()

    def listings(self) -> SqliteListings:
        """Listings of the same file. They have connections of their own: close them before the store."""
        return SqliteListings(self.path, lambda: self.files.connect())

    def profile(self, profile_id: str) -> Profile | None:
        for sql in (SELECT_PROFILE, SELECT_PROFILE_MERGED_INTO):
            for row in self._read(sql, [profile_id]):
                return _profile(*row)
        return None

    def is_erased(self, profile_id: str) -> bool:
        return bool(self._read(SELECT_TOMBSTONE, [tombstone(profile_id)]))

    def session(self, session_id: str) -> Session | None:
        for row in self._read(SELECT_SESSION, [session_id]):
            return _session(*row)
        return None

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        for row in self._read(SELECT_SESSION_AND_PROFILE, [session_id]):
            return _session(*row[:6]), None if row[6] is None else _profile(*row[6:])
        return None

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        wanted = list(event_ids)
        if len(wanted) <= FEW_IDS:
            return dict(self._read(SELECT_FEW_KNOWN_EVENTS[len(wanted)], [profile_id, *wanted]))
        return dict(self._read(SELECT_KNOWN_EVENTS, [profile_id, json_text(wanted)]))

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        missing = list(event_ids)
        found: dict[str, FirstCopy] = {}
        for sql in (SELECT_BY_ID, SELECT_BY_CHAIN):
            if missing:
                parameters: Parameters = {"profile": profile_id, "ids": json_text(missing), "missing": len(missing)}
                found |= {event_id: FirstCopy(*fields) for event_id, *fields in self._read(sql, parameters)}
                missing = [event_id for event_id in missing if event_id not in found]
        return found

    def sources_version(self) -> int:
        rows = self._read("SELECT version FROM sources_version")
        if not rows or type(rows[0][0]) is not int:
            raise StoreError("cannot read: the version of the sources is damaged, `trackd verify` names its row")
        version: int = rows[0][0]
        return version

    def sources(self) -> list[Source]:
        return self._read_sound(self._sources)

    def is_damaged_source(self, source_id: str) -> bool:
        return source_id in self._sources.damaged

    def jobs(self) -> list[Job]:
        return self._read_sound(self._jobs)

    def newest_time(self, latest: str) -> str | None:
        return newest_time(self._read(NEWEST_TIME, [latest])[0][0])

    def retention_stop(self) -> RetentionStop:
        return next((RetentionStop(*row) for row in self._read(SELECT_STOP)), RetentionStop())

    def tokens(self) -> list[Token]:
        return self._read_sound(self._tokens)

    def login(self, secret_hash: str) -> Login | None:
        return next((login_of_row(row) for row in self._read(SELECT_LOGIN, [secret_hash])), None)

    def installation(self) -> int:
        number: int = self._read(SELECT_INSTALLATION)[0][0]
        return number

    def sizes(self) -> dict[str, int]:
        return {"database": _size(self.path), "wal": _size(self._log)}

    def check(self) -> None:
        self.files.check()
        self.check_sound()

    def check_sound(self) -> None:
        """Raises UnsoundError once the file is found to be damaged, also when it is closed."""
        for check in (self._background_check, self._damage_check):
            if check.fault is not None:
                raise check.fault

    def end_checks(self) -> None:
        """End the checks of the file that are under way: they have connections of their own. May wait for the disk."""
        self._background_check.stop()
        self._damage_check.stop()

    def check_damage(self) -> None:
        self._damage_check.request()

    def _read(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        try:
            return self._reader.execute(sql, parameters).fetchall()
        except UnicodeDecodeError as error:
            raise DamagedRowError(NOT_UTF_8) from error
        except apsw.Error as error:
            if isinstance(error, apsw.CorruptError):
                self.check_damage()
            raise StoreError(f"cannot read: {error}") from error

    def _read_sound(self, rows: SoundRows[T]) -> list[T]:
        try:
            return rows.read(self._reader)
        except SQLITE_ERRORS as error:
            raise StoreError(f"cannot read: {error}") from error

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """See `Store.commit`. Copies a long log afterwards; raises DiskFailureError when that fails."""
        outcomes = self._writer.commit(batch)
        with contextlib.suppress(apsw.Error):  # a full disk: the log stays complete
            if log_pages(self._connection)[0] >= USUAL_LOG_PAGES:
                checkpoint(self._connection)
        return outcomes

    @property
    def swept(self) -> Swept | None:
        return self._writer.swept

    def check_writable(self) -> None:
        """Commit a heartbeat. Raises DatabaseError: opening a file does not show that its disk is full."""
        try:
            self._writer.commit([])  # and no checkpoint: the writer process first writes the log again
        except StoreError as error:
            reason = str(error).removeprefix("cannot commit: ")
            raise DatabaseError(
                f"{self.path} cannot be written ({reason}): check that its disk has space and works, and that this "
                "user may write to the file and to those beside it."
            ) from error

    def renew_log(self) -> None:
        """Write a log that an unclean end left once more, and copy it, before a command commits. Raises StoreError."""
        with database_errors(self.path):
            renew_log(self._connection, self.path)

    def close(self) -> None:
        """Copy the write-ahead log into the file, and close the connections. Raises StoreError: see `SqliteWriter`."""
        self.end_checks()
        self._reader.close()
        self._writer.close()

    def close_and_keep_log(self) -> None:
        """Close the connections without a wait for the disk: the log stays beside the file, for the next start.

        Also while another process still commits: SQLite's locks belong to a process, so it keeps its own. Reads raise
        StoreError from then on. Checks that are under way close theirs soon.
        """
        self._background_check.request_stop()
        self._writer.close_and_keep_log()
        self._reader.close()


def _profile(found_id: str, seq: int, revision: int, doc: str, memo: int) -> Profile:
    try:
        return Profile(found_id, seq, revision, Raw(doc.encode()), memo)
    except AttributeError as error:
        raise _damaged("profile") from error


def _session(found_id: str, profile_id: str, inserted: str, updated: str, context: str, properties: str) -> Session:
    try:
        return Session(found_id, profile_id, inserted, updated, Raw(context.encode()), Raw(properties.encode()))
    except AttributeError as error:
        raise _damaged("session") from error


def _damaged(table: str) -> DamagedRowError:
    return DamagedRowError(f"cannot read: a row of {table} has a document that is no text, `trackd verify` names it")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
