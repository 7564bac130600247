"""A PostgreSQL database that a command reads and changes, also while servers run on it."""

import contextlib
from collections.abc import Iterator

import psycopg

from trackd.config.store_url import masked
from trackd.storage.closing import Closing
from trackd.storage.errors import StoreError, sentence
from trackd.storage.postgres.connection import COMMAND, NODE, Connection, reason_of
from trackd.storage.postgres.pools import check_pool
from trackd.storage.postgres.schema import migrate

NODES = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = %s
"""


class SharedDatabase(Closing):
    """A context manager that closes the connection. The tables are made if there are none. Raises StoreError."""

    def __init__(self, url: str, *, accepts_incomplete: bool = False) -> None:
        """`accepts_incomplete`: see `migrate`."""
        self.name = masked(url)
        self._db = Connection(url, COMMAND)
        try:
            check_pool(self._db.open(), url)
            migrate(self._db.open(), url, accepts_incomplete=accepts_incomplete)
        except StoreError as error:
            self._db.close()
            raise StoreError(sentence(str(error))) from error

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The connection, in a transaction. Raises StoreError."""
        with self.connection() as db, db.open().transaction():
            yield db

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """The connection. Raises StoreError, also when a standby may not have what was committed."""
        try:
            yield self._db
            self._db.check_confirmed()
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be used: {reason_of(error)}.") from error

    def has_nodes(self) -> bool:
        """Whether servers run on the database, as it seems from the connections that it has."""
        with self.transaction() as db:
            return bool(db.rows(NODES, [NODE]))
