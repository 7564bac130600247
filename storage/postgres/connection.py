"""Connections to a PostgreSQL server: how they are opened, and what their errors mean."""

import contextlib
import logging
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrBinaryDumper

from trackd.config.store_url import masked
from trackd.storage.errors import StoreError
from trackd.storage.postgres.arrays import register_arrays
from trackd.storage.postgres.replication import TIMELINE, check_timeline, is_unconfirmed
from trackd.storage.postgres.texts import packed, unpacked
from trackd.storage.postgres.waiting import Cancellable, Hurried, Watched

logging.getLogger("psycopg").setLevel(logging.ERROR)  # it warns of the errors after one that is raised
OLDEST_SERVER = 150_000  # version 15
CONNECT_TIMEOUT_S = 3
PAUSE_S = 1.0  # after a failure
NODE, COMMAND = "trackd", "trackd command"
"""The names under which the server lists connections."""
SETTINGS = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "tcp_user_timeout": 10_000,  # ms until a server that is cut off is given up
    "client_encoding": "utf8",
}
# Whatever the server, the user, the URL or PGOPTIONS set. A warning is what remains of a wait for a standby that was
# cancelled: see replication.py. The first result is the process of the server: a pool in between shows another one.
SET_UP = """
SELECT pg_backend_pid();
SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; SET DateStyle = 'ISO'; SET TimeZone = 'UTC';
SET extra_float_digits = 1;
SET synchronous_commit = on; SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning;
SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s';
SET statement_timeout = 0; SET idle_session_timeout = 0;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout';
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3
"""  # the last ones end the session, and free the locks and duties, of a node whose machine is gone
# For statements that read few rows, by an index and in its order: what the planner expects of a table that was analyzed
# when it was empty, or never, would have it read the whole table.
BY_INDEX = """
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET enable_hashjoin = off;
SET enable_mergejoin = off; SET jit = off
"""
CORRUPTED = ("XX001", "XX002")
OF_ONE_CHANGE = ("22", "23", "54", *CORRUPTED)  # classes of errors: data, constraints, limits of a row
RUN_AGAIN = ("40001", "40P01", "23505")  # another node has written the same rows at the same time
READ_ONLY = "25006"
Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


class Connection:
    """A connection, opened for the first statement and once more after it was lost. Used by one thread at a time."""

    def __init__(self, url: str, name: str = NODE, set_up: str = "") -> None:
        """`set_up` are further statements that set the session up."""
        self._url = url
        self._name = name
        self._set_up = set_up
        self._connection: psycopg.Connection[Row] | None = None
        self._failure: StoreError | None = None
        self._failed_at = 0.0
        self._is_pinned = False
        self._pipeline: psycopg.Pipeline | None = None
        self._unconfirmed: str | None = None
        self.reconnects = 0  # lost connections that were opened again

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def _connect(self) -> psycopg.Connection[Row]:
        return connect(self._url, self._name, set_up=self._set_up)

    def open(self) -> psycopg.Connection[Row]:
        """The open connection. Raises StoreError, within a second after a failure without another attempt."""
        if self._connection is None or self._connection.closed:
            if self._is_pinned:
                raise psycopg.OperationalError("the connection is lost")
            if self._failure is not None and time.monotonic() - self._failed_at < PAUSE_S:
                raise self._failure
            is_again = self._connection is not None
            try:
                self._connection = self._connect()
            except StoreError as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
            self._failure = None
            self.reconnects += is_again
            self._connection.add_notice_handler(self._note)
        return self._connection

    def _note(self, notice: Diagnostic) -> None:
        if is_unconfirmed(notice):
            self._unconfirmed = notice.message_primary

    def check_confirmed(self) -> None:
        """Raise StoreError if a standby may not have what was committed since the last check."""
        warning, self._unconfirmed = self._unconfirmed, None
        if warning is not None:
            raise StoreError(f"a commit may be lost in a failover, the standby has not confirmed it: {warning}")

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """The rows of a statement. Raises errors of psycopg, and StoreError when there is no connection."""
        found = self.open().execute(sql.encode(), packed(parameters)).fetchall()
        return [unpacked(row) for row in found]

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        """Run a statement, and return the number of rows that it has changed. Raises as `rows`."""
        prepare = None if parameters else False
        return self.open().execute(sql.encode(), packed(parameters), prepare=prepare).rowcount

    def rows_of(self, *statements: tuple[str, Parameters]) -> list[list[Row]]:
        """The rows of each of several statements; in a pipeline they take one round trip. Raises as `rows`."""
        connection = self.open()
        cursors = [connection.execute(sql.encode(), packed(parameters)) for sql, parameters in statements]
        if self._pipeline is not None:  # only after this the server takes the transaction for an idle one
            self._pipeline.sync()
        return [[unpacked(row) for row in cursor.fetchall()] for cursor in cursors]

    @contextlib.contextmanager
    def transaction(self, *, pipelined: bool) -> Iterator[None]:
        """A block of statements that begins and ends a transaction; a lost connection is not opened again within it.

        With `pipelined` a statement does not wait for the server: `run` returns no number of rows, and its error is
        raised by a later statement or at the end of the block. Raises StoreError as `check_confirmed`.
        """
        connection = self.open()
        self._is_pinned = True
        try:
            with connection.pipeline() if pipelined else contextlib.nullcontext() as self._pipeline:
                yield
            self.check_confirmed()
        finally:
            self._is_pinned, self._pipeline = False, None

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of a statement one by one; an iteration that ends early cancels it. Raises as `rows`."""
        with self.open().cursor() as cursor:
            found = cast(Generator[Row, None, None], cursor.stream(sql.encode(), packed(parameters)))
            with contextlib.closing(found):
                for row in found:
                    yield unpacked(row)

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """The rows of a statement that only reads, after a lost connection by another one. Raises StoreError."""
        is_new = not self.is_open
        try:
            return self.rows(sql, parameters)
        except psycopg.Error as error:
            if is_new or self.is_open:
                raise StoreError(f"cannot read: {reason_of(error)}") from error
        return self.read(sql, parameters)

    def roll_back(self) -> None:
        """End a transaction that failed; a connection that cannot is closed."""
        if self._connection is None or self._connection.closed:
            return
        try:
            if self._connection.info.transaction_status is not TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self._connection.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def connect(
    url: str, name: str = NODE, kind: type[Hurried] | type[Watched] = Watched, set_up: str = ""
) -> psycopg.Connection[Row]:
    """Open a connection in which each statement is a transaction. Raises StoreError, without the password."""
    with _opening(url):
        connection: psycopg.Connection[Row] = kind.connect(url, autocommit=True, **_missing(url, name))
        if isinstance(connection, Watched):
            connection.url = url
        try:
            _check(connection.info, url)
            [pid] = connection.execute(f"{SET_UP};{set_up}".encode()).fetchone() or [None]
            if isinstance(connection, Watched):
                connection.pid = pid
            if _has_several_hosts(url):
                check_timeline(url, *connection.execute(TIMELINE).fetchone() or [None])
        except BaseException:
            connection.close()
            raise
    connection.adapters.register_dumper(str, StrBinaryDumper)  # the others take three times as long
    register_arrays(connection)
    return connection


async def connect_async(url: str) -> psycopg.AsyncConnection[Row]:
    """As `connect`, for the event loop; it has to be set up."""
    with _opening(url):
        return await Cancellable.connect(url, autocommit=True, **_missing(url, NODE))


async def set_up_async(connection: psycopg.AsyncConnection[Row], url: str, set_up: str) -> None:
    """Set a connection up, with further statements, or close it. Raises StoreError."""
    with _opening(url):
        try:
            _check(connection.info, url)
            await connection.execute(f"{SET_UP};{set_up}".encode())
            if _has_several_hosts(url):
                check_timeline(url, *await (await connection.execute(TIMELINE)).fetchone() or [None])
        except BaseException:
            connection.pgconn.finish()
            raise
    connection.adapters.register_dumper(str, StrBinaryDumper)


@contextlib.contextmanager
def _opening(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(f"no connection to {masked(url)}: {reason_of(error)}") from error


def _check(server: psycopg.ConnectionInfo, url: str) -> None:
    if server.server_version < OLDEST_SERVER:
        version = server.server_version // 10_000
        raise StoreError(f"{masked(url)} is PostgreSQL {version}: 15 is the oldest that can be used")
    if server.parameter_status("server_encoding") != "UTF8":
        raise StoreError(f"the database of {masked(url)} has another encoding than UTF8: create one that has it")


def _missing(url: str, application_name: str) -> dict[str, Any]:
    """The settings that the URL does not have, and the name by which servers are recognized, whatever the URL has."""
    try:
        own = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise StoreError(f"{masked(url)} is no URL of PostgreSQL: {reason_of(error)}") from error
    settings = {name: value for name, value in SETTINGS.items() if name not in own}
    return {"application_name": application_name, **settings}


def _has_several_hosts(url: str) -> bool:
    return "," in str(psycopg.conninfo.conninfo_to_dict(url).get("host", ""))


def reason_of(error: Exception) -> str:
    """The first line of an error: its details may have values of a row. A URL that cannot be read is left out."""
    diagnostic = getattr(error, "diag", None)
    message = diagnostic.message_primary if diagnostic is not None else None
    reason = str(message or str(error).split("\n")[0] or type(error).__name__)
    if isinstance(error, psycopg.ProgrammingError) and not error.sqlstate and "query parameter" not in reason:
        return re.split(r': "| found in "', reason)[0]
    return reason


def code_of(error: BaseException) -> str:
    """The code of an error of the server, empty for every other one."""
    return getattr(error, "sqlstate", None) or ""


def is_of_one_change(error: Exception) -> bool:
    """Whether the other changes of a batch can be committed without the one that raised this."""
    if isinstance(error, psycopg.Error):
        return code_of(error).startswith(OF_ONE_CHANGE) or (isinstance(error, psycopg.DataError) and not code_of(error))
    return isinstance(error, TypeError | ValueError | OverflowError | AttributeError | LookupError)


def text_of(time: str) -> str:
    """SQL: the text of a time, as documents have it, from an expression."""
    return f"""to_char({time} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
