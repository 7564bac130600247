"""A primary and a synchronous standby, both from the wheel, with the scripts of docs/operating/cluster.md."""

import contextlib
import subprocess
from collections.abc import Iterator

import psycopg

from tests.docs.pages import block, page
from tests.support.polling import wait_until
from tests.support.ports import free_port
from tests.support.postgres import (
    PASSWORD,
    USER,
    Cluster,
    make_data,
    server_folder,
    server_programs,
    server_user,
    with_database,
)

DATABASE = "trackd"
REPLICATED = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "full_page_writes": "on",
    "wal_log_hints": "on",
    "wal_retrieve_retry_interval": "100ms",
}
FILE = "wal_keep_size = 100MB\n"  # pg_rewind starts a server with the settings of the file alone
SYNC_STATE = "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'standby' AND state = 'streaming'"


class Servers:
    """Two servers of one database. `primary` takes writes; `other` is its standby, or what was lost."""

    def __init__(self, primary: Cluster, other: Cluster) -> None:
        self.primary = primary
        self.other = other
        hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in (primary, other))
        self.url = f"postgresql://{USER}:{PASSWORD}@{hosts}/{DATABASE}?target_session_attrs=read-write"
        """That of the nodes. It stays the same."""

    def add_standby(self) -> None:
        """Let `other` follow the primary, and commits wait for it."""
        self.run("standby.sh", self.other, self.primary)
        self.other.start()
        wait_until(lambda: self._sync_state() is not None, "the standby streams")
        self.run("wait-for-standby.sh", self.other, self.primary)
        wait_until(lambda: self._sync_state() == "sync", "the standby is synchronous")

    def fail_over(self) -> None:
        """The primary is lost, and the standby takes its place."""
        self.primary.kill()
        self.run("promote.sh", self.other, self.primary)
        self.primary, self.other = self.other, self.primary

    def run(self, script: str, own: Cluster, other: Cluster) -> None:
        """Run a script of the page on the machine of `own`."""
        text = block(page("operating/cluster"), "sh", f"# {script}")
        environment = {
            "PATH": f"{own.programs}:/usr/bin:/bin",
            "PGPASSWORD": PASSWORD,
            "PGDATA": str(own.data),
            "OWN": _conninfo(own),
            "OTHER": _conninfo(other),
        }
        user = server_user()
        done = subprocess.run(
            ["sh", "-c", text],
            env=environment,
            cwd="/",
            user=user,
            group=user,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"

    def _sync_state(self) -> str | None:
        with psycopg.connect(self.primary.url, autocommit=True) as db:
            found = db.execute(SYNC_STATE).fetchone()
        return None if found is None else str(found[0])


def _conninfo(cluster: Cluster) -> str:
    return f"host=127.0.0.1 port={cluster.port} user={USER} dbname=postgres"


@contextlib.contextmanager
def primary_and_standby() -> Iterator[Servers]:
    with server_folder() as folder:
        programs = server_programs(folder)
        make_data(folder / "one", programs)
        with (folder / "one" / "postgresql.conf").open("a") as file:
            file.write(FILE)
        folder.chmod(0o777)  # pg_basebackup makes the other one
        one, two = (Cluster(programs, folder / name, free_port(), REPLICATED) for name in ("one", "two"))
        try:
            one.start()
            with_database(one.url, DATABASE)
            servers = Servers(one, two)
            servers.add_standby()
            yield servers
        finally:
            one.stop()
            two.stop()
