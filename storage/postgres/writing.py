"""The connection of the writer."""

import contextlib
import select
from collections.abc import Iterator

import psycopg

from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import Connection, Parameters, Row, reason_of

# For statements that take given rows one after the other and find each by an index, whatever the planner expects of new
# tables. A node that is stopped within a batch must not hold the locks of its rows for long. Statements write only in
# transactions that `begin` has begun. The first result is whether the database only reads.
SET_UP = """
SHOW transaction_read_only;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
SET enable_material = off; SET random_page_cost = 0; SET plan_cache_mode = force_generic_plan; SET jit = off;
SET idle_in_transaction_session_timeout = '5s'; SET default_transaction_read_only = on
"""
BEGIN = "BEGIN READ WRITE"
# A server that was made read-only while it runs, by a reload, has that as the setting which SET_UP has changed here.
HEED_SERVER = """
SELECT set_config('transaction_read_only', set_config('default_transaction_read_only', NULL, true), true)
"""


class WritingConnection(Connection):
    """A connection for transactions that write given rows. Outside of them the server refuses to write."""

    def _connect(self) -> psycopg.Connection[Row]:
        """Raises StoreError, and ReadOnlySqlTransaction when the database only reads."""
        connection = super()._connect()
        try:
            only_reads = connection.execute(SET_UP).fetchone() == ("on",)
            connection.prepare_threshold = 0  # one that is prepared later, and fails, psycopg takes for prepared
        except psycopg.Error as error:
            connection.close()
            raise StoreError(f"no connection: {reason_of(error)}") from error
        if only_reads:
            connection.close()
            raise psycopg.errors.ReadOnlySqlTransaction("the database is read-only")
        return connection

    def begin(self) -> None:
        """Begin a transaction. In a pipeline the statements after it are sent before its error is known: they fail."""
        self.run(BEGIN)
        self.run(HEED_SERVER)

    @contextlib.contextmanager
    def transaction(self, *, pipelined: bool) -> Iterator[None]:
        self._drop_if_ended()
        with super().transaction(pipelined=pipelined):
            yield
            if self._pipeline is not None:
                self._pipeline.sync()  # raises the first error; its end may raise one that follows from it

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        changed = super().run(sql, parameters)
        if self._pipeline is not None:  # only after a Sync the server takes the transaction for an idle one
            self.open().pgconn.pipeline_sync()
            self._pipeline.result_queue.append(None)
        return changed

    def _drop_if_ended(self) -> None:
        """Close a connection that the server has ended while nothing was under way."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        try:
            while poll.poll(0):
                connection.pgconn.consume_input()
        except psycopg.OperationalError:
            connection.close()
