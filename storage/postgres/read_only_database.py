"""A PostgreSQL database for a command that only reads, also while servers run on it."""

import contextlib
from collections.abc import Iterator

import psycopg

from trackd.config.store_url import masked
from trackd.storage.closing import Closing
from trackd.storage.errors import StoreError, sentence
from trackd.storage.postgres.connection import COMMAND, Connection, reason_of
from trackd.storage.postgres.listings import PostgresListings
from trackd.storage.postgres.schema import check_tables

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class ReadOnlyDatabase(Closing):
    """A context manager that closes the connections. Methods raise StoreError, each a sentence."""

    def __init__(self, url: str) -> None:
        self.name = masked(url)
        self.connection = Connection(url, COMMAND)
        self.listings = PostgresListings(url, COMMAND)
        try:
            with self.errors():
                check_tables(self.connection.open(), url)
                # What is read may be printed, and the reader of that may be slow.
                self.connection.run("SET idle_in_transaction_session_timeout = 0")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.connection.close()
        self.listings.close()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Around statements: their errors become StoreError with the name of the database."""
        try:
            yield
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be read: {reason_of(error)}.") from error
        except StoreError as error:
            text = str(error)
            if text.endswith("."):
                raise
            raise StoreError(sentence(text) if self.name in text else f"{self.name}: {text}.") from error

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """The connection, which sees one moment until the end of the block."""
        with self.errors():
            self.connection.run(SNAPSHOT)
            try:
                yield self.connection
            finally:
                self.connection.roll_back()
