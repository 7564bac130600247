"""A PostgreSQL server for `rowlock`: the one that DATABASE_URL names, or a throwaway cluster."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.bench.faults import BenchError
from tests.bench.servers import free_port

USER = "postgres"  # the server refuses to run as root
NO_DRIVER = "psycopg is not installed. `pip install -e '.[bench]'` brings it."
NO_SERVER = "there is no PostgreSQL server. Name one in DATABASE_URL, or `apt install postgresql`."


@dataclass(frozen=True)
class Postgres:
    """`pids` of the server, if it is ours; the use of a foreign one is not counted."""

    url: str
    pids: tuple[int, ...] = ()


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Raises BenchError, with a sentence, when there is none to be had."""
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise BenchError(NO_DRIVER)
    if url := os.environ.get("DATABASE_URL"):
        yield Postgres(url)
        return
    programs = _programs()
    data, port = folder / "postgres", free_port()
    data.mkdir()
    if user := USER if os.geteuid() == 0 else None:
        if not any(entry.pw_name == user for entry in pwd.getpwall()):
            raise BenchError(f"PostgreSQL does not run as root, and there is no user {user}.")
        folder.chmod(0o711)  # so that this user gets to its folder
        shutil.chown(data, user)
    _run([programs / "initdb", "--auth=trust", f"--username={USER}", "--pgdata", data], user)
    start: list[str | Path] = ["--pgdata", data, "--log", data / "log", "-o", f"-p {port} -h 127.0.0.1 -k ''"]
    _run([programs / "pg_ctl", "start", "--wait", *start], user)
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        yield Postgres(f"postgresql://{USER}@127.0.0.1:{port}/postgres", (pid,))
    finally:
        _run([programs / "pg_ctl", "stop", "--wait", "--mode=fast", "--pgdata", data], user)


def _programs() -> Path:
    """The folder of initdb and pg_ctl."""
    on_path = shutil.which("pg_ctl")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise BenchError(NO_SERVER)


def _run(command: list[str | Path], user: str | None) -> None:
    ran = subprocess.run(command, user=user, cwd="/", text=True, capture_output=True, check=False)
    if ran.returncode != 0:
        reason = " ".join(ran.stderr.split()) or f"exit code {ran.returncode}"
        raise BenchError(f"{Path(command[0]).name} failed: {reason}")
