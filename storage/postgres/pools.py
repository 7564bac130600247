"""Pools between trackd and PostgreSQL: one that gives each transaction another session of the server is refused.

Settings, locks of duties and notifications belong to a session: they would be lost, or reach others of the pool.
"""

import contextlib
import logging

import psycopg

from trackd.config.store_url import masked
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import Row, connect

log = logging.getLogger(__name__)
PROCESS = "SELECT pg_backend_pid()"


def check_pool(connection: psycopg.Connection[Row], url: str) -> None:
    """Raise StoreError if the connection leads to another session than before, while another one is in use.

    Without a pool it costs nothing. A pool with free sessions may go unnoticed, so the log names each one.
    """
    pid = getattr(connection, "pid", None)
    if pid is None or pid == connection.info.backend_pid:
        return
    if not _keeps_session(connection, url, pid):
        raise StoreError(
            f"between trackd and the database of {masked(url)} is a pool that gives each transaction another "
            "session: let it keep one for each connection (pool_mode = session), or name the server itself"
        )
    log.warning("between trackd and PostgreSQL is a pool: it has to keep a session for each connection")


def _keeps_session(connection: psycopg.Connection[Row], url: str, pid: int) -> bool:
    """Whether the session is the same while another connection has a transaction under way."""
    try:
        with contextlib.closing(connect(url)) as other, other.transaction():
            other.execute(PROCESS)
            return connection.execute(PROCESS).fetchone() == (pid,)
    except psycopg.Error:  # the pool takes no transactions, or has a session for one of the two alone
        return False
