"""PgBouncer between trackd and PostgreSQL."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.stores import PostgresBackend
from trackd.storage.errors import StoreError
from trackd.storage.postgres import waiting
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.sources import PostgresSources
from trackd.storage.postgres.store import PostgresStore

MakePool = Callable[[str], str]
NOBODY = "nobody"
PGBOUNCER = shutil.which("pgbouncer") or ""

pytestmark = pytest.mark.skipif(not PGBOUNCER, reason="pgbouncer is not installed")


@pytest.fixture
def pool(postgres_backend: PostgresBackend, tmp_path: Path) -> Iterator[MakePool]:
    """Starts a pool with a mode, and returns the URL of the database through it."""
    server = urlsplit(postgres_backend.url)
    with contextlib.ExitStack() as stack:

        def start(mode: str) -> str:
            file, port = tmp_path / "pgbouncer.ini", free_port()
            file.write_text(
                f"""
[databases]
* = host={server.hostname} port={server.port} user={server.username} password={server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""
            )
            command = [PGBOUNCER, "-q", *(["-u", NOBODY] if os.getuid() == 0 else []), "/dev/stdin"]
            with file.open() as settings:
                process = stack.enter_context(subprocess.Popen(command, stdin=settings, stderr=subprocess.DEVNULL))
            stack.callback(process.kill)
            url = f"postgresql://{server.username}@127.0.0.1:{port}{server.path}"
            wait_until(lambda: _answers(url))
            return url

        yield start


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("mode", ["transaction", "transaction\ndefault_pool_size = 1", "statement"])
def test_a_pool_of_transactions_or_statements_is_refused(
    pool: MakePool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.1)
    monkeypatch.setattr(waiting, "ASK_TIMEOUT_S", 1)
    monkeypatch.setattr(waiting, "UNREACHABLE_S", 0.1)
    url = pool(mode)
    for opening in (PostgresStore, PostgresSources):
        with pytest.raises(StoreError, match="is a pool that gives each transaction another session"):
            opening(url)


def test_through_a_pool_of_sessions_a_statement_may_take_its_time(
    pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.1)
    url = pool("session")
    with contextlib.closing(PostgresStore(url)) as store:
        store.check_writable()
        assert store.installation()
    with contextlib.closing(Connection(url)) as connection:
        assert connection.rows("SELECT 1 FROM pg_sleep(0.5)") == [(1,)]
