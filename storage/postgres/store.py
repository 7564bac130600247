"""The backend for a PostgreSQL database: a connection for reads by key, and the writer of writer.py."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from trackd.core.changes import Change, Outcome
from trackd.core.documents import FirstCopy, Login, Profile, Session, Source, Token, tombstone
from trackd.core.jobs import Job
from trackd.core.retention_changes import RetentionStop, Swept
from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.postgres.administration import (
    SELECT_LOGIN,
    SELECT_SOURCES,
    SELECT_STOP,
    SELECT_TOKENS,
    SOURCES_VERSION,
    job_of,
    login_of,
    source_of,
    token_of,
)
from trackd.storage.postgres.connection import Connection, Parameters, Row, text_of
from trackd.storage.postgres.hurried_connection import HurriedConnection
from trackd.storage.postgres.listings import PostgresListings
from trackd.storage.postgres.notices import ALL_JOBS, Notices, Shared
from trackd.storage.postgres.pools import check_pool
from trackd.storage.postgres.retention import moment
from trackd.storage.postgres.rows import PROFILE, SESSION, profile_of, session_of
from trackd.storage.postgres.schema import migrate
from trackd.storage.postgres.writer import PostgresWriter
from trackd.storage.postgres.writing import WritingConnection
from trackd.storage.store import Duty

NEWEST_ROWS = 1_000  # the newest of each table: those ahead of the clock show nothing
SELECT_PROFILE = f"""
SELECT {PROFILE} FROM profile WHERE id = %(id)s
UNION ALL SELECT {PROFILE} FROM merged JOIN profile ON profile.id = into_id WHERE merged.id = %(id)s
"""
SELECT_TOMBSTONE = "SELECT 1 FROM erased WHERE hash = %s"
SELECT_SESSION = f"SELECT {SESSION} FROM session WHERE id = %s"
SELECT_SESSION_AND_PROFILE = f"""
SELECT {SESSION}, {PROFILE} FROM session LEFT JOIN profile ON profile.id = profile_id WHERE session.id = %s
"""
SELECT_KNOWN_EVENTS = "SELECT id, seq FROM event_id WHERE profile_id = %s AND id = ANY(%b)"
SELECT_FIRST_COPIES = """
SELECT DISTINCT ON (id) id, type, source_id, status FROM event WHERE profile_id = %s AND id = ANY(%b)
ORDER BY id, number
"""
NEWEST_TIME = f"""
SELECT {text_of("max(time)")} FROM (
    (SELECT inserted AS time FROM event ORDER BY number DESC LIMIT {NEWEST_ROWS})
    UNION ALL (SELECT updated FROM session ORDER BY number DESC LIMIT {NEWEST_ROWS})
) AS newest WHERE time <= %s::timestamptz
"""
T = TypeVar("T")


class PostgresStore:
    """See `Store`. Connects to the database of a URL, and makes its tables. Raises StoreError.

    Reads by key wait for the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with contextlib.closing(Connection(url)) as connection:
            check_pool(connection.open(), url)
            migrate(connection.open(), url)
        self._notices: Notices | None = None
        self._reader = HurriedConnection(url, self._away)
        self._reader.open()
        self._writer = PostgresWriter(WritingConnection(url))

    def listings(self) -> PostgresListings:
        """Listings of the same database, with connections of their own."""
        by_key = HurriedConnection(self.url, self._away)
        by_key.open()  # the event loop would wait for it
        return PostgresListings(self.url, by_key=by_key)

    def profile(self, profile_id: str) -> Profile | None:
        return next((profile_of(row) for row in self._reader.read(SELECT_PROFILE, {"id": profile_id})), None)

    def is_erased(self, profile_id: str) -> bool:
        return bool(self._reader.read(SELECT_TOMBSTONE, [tombstone(profile_id)]))

    def session(self, session_id: str) -> Session | None:
        return next((session_of(row) for row in self._reader.read(SELECT_SESSION, [session_id])), None)

    def session_and_profile(self, session_id: str) -> tuple[Session, Profile | None] | None:
        for row in self._reader.read(SELECT_SESSION_AND_PROFILE, [session_id]):
            return session_of(row[:6]), None if row[6] is None else profile_of(row[6:])
        return None

    def known_events(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, int | None]:
        wanted = list(event_ids)
        return dict(self._reader.read(SELECT_KNOWN_EVENTS, [profile_id, wanted])) if wanted else {}

    def first_copies(self, profile_id: str, event_ids: Iterable[str]) -> dict[str, FirstCopy]:
        wanted = list(event_ids)
        rows = self._reader.read(SELECT_FIRST_COPIES, [profile_id, wanted]) if wanted else []
        return {event_id: FirstCopy(*fields) for event_id, *fields in rows}

    @contextlib.contextmanager
    def listening(self, reconnected: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Within the block sources, tokens and jobs are read from memory, and other nodes may have the duties.

        `reconnected`: see `Notices`.
        """
        self._notices = notices = Notices(self.url, reconnected)
        notices.start()
        try:
            yield
        finally:
            self._notices = None
            notices.close()

    def sources_version(self) -> int:
        shared = self._shared()
        return shared.version if shared else self._number(SOURCES_VERSION)

    def sources(self) -> Sequence[Source]:
        shared = self._shared()
        return shared.sources if shared else self._documents(SELECT_SOURCES, source_of)

    def expire(self) -> None:
        if self._notices:
            self._notices.expire()

    def has_duty(self, duty: Duty) -> bool:
        return self._notices is None or self._notices.has_duty(duty)

    def _shared(self) -> Shared | None:
        return self._notices.shared() if self._notices else None

    def is_damaged_source(self, source_id: str) -> bool:
        return False

    def jobs(self) -> Sequence[Job]:
        shared = self._shared()
        return shared.jobs if shared else self._documents(ALL_JOBS, job_of)

    def newest_time(self, latest: str) -> str | None:
        [(time,)] = self._reader.read(NEWEST_TIME, [moment(latest)])
        return time if isinstance(time, str) else None

    def retention_stop(self) -> RetentionStop:
        return next((RetentionStop(*row) for row in self._reader.read(SELECT_STOP)), RetentionStop())

    def tokens(self) -> Sequence[Token]:
        shared = self._shared()
        return shared.tokens if shared else self._documents(SELECT_TOKENS, token_of)

    def login(self, secret_hash: str) -> Login | None:
        return next(iter(self._documents(SELECT_LOGIN, login_of, [secret_hash])), None)

    def installation(self) -> int:
        return self._number("SELECT number FROM installation")

    def check_damage(self) -> None:
        """PostgreSQL checks its own pages, and its log names what is damaged."""

    def sizes(self) -> dict[str, int]:
        return {"database": self._number("SELECT pg_database_size(current_database())")}

    def check(self) -> None:
        if self._notices is None:
            self._number("SELECT 1")
        elif (error := self._notices.error) is not None:
            raise error

    def _away(self) -> StoreError | None:
        return self._notices.error if self._notices else None

    def _number(self, sql: str) -> int:
        [(number,)] = self._reader.read(sql)
        return int(number)

    def _documents(self, sql: str, document: Callable[[Row], T], parameters: Parameters = ()) -> list[T]:
        rows = self._reader.read(sql, parameters)
        try:
            return [document(row) for row in rows]
        except (TypeError, ValueError, AttributeError, LookupError) as error:  # another tool wrote one
            raise DamagedRowError(f"cannot read: a row has another form ({type(error).__name__})") from error

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        """See `Store.commit`, and `PostgresWriter.commit` for a lost connection."""
        return self._writer.commit(batch)

    @property
    def swept(self) -> Swept | None:
        return self._writer.swept

    def check_writable(self) -> None:
        """Commit a heartbeat. Raises StoreError."""
        self._writer.commit([])

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
