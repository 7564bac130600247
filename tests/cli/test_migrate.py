"""`trackd migrate`: a file moves into a database and back, also when the command is killed."""

import contextlib
import json
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import execute, rows
from tests.support.making import Make
from tests.support.postgres import emptied
from tests.support.process import TRACKD
from tests.support.stores import PostgresBackend
from trackd.storage.errors import StoreError
from trackd.storage.postgres.connection import Connection
from trackd.storage.sqlite.store import SqliteStore

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]


@pytest.fixture
def url(postgres_database: str) -> str:
    """That of an empty database."""
    emptied(postgres_database)
    return postgres_database


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "trackd.db"
    store = SqliteStore(path)
    store.commit([Make.change("A", events=2, session="S", event_ids={"own": 1}), Make.change("B", events=1)])
    store.commit([Make.change("A", (2, 1), events=1)])
    store.close()
    return path


def test_a_file_moves_into_a_database_and_back(trackd: Trackd, sentence: Sentence, db: Path, url: str) -> None:
    before = db.read_bytes()
    moved = trackd("migrate", db, url)
    assert (moved.returncode, moved.stderr) == (0, "")
    assert moved.stdout.startswith(f"Copied {db} into postgresql://trackd:***@")
    assert moved.stdout.endswith(": 2 profiles, 1 session, 1 event id, 4 events. Both have the same rows.\n")
    assert db.read_bytes() == before
    assert "was copied into" in trackd("migrate", db, url).stdout

    compared = trackd("verify", "--store", url, "--against", db)
    assert (compared.returncode, "differs" in compared.stdout) == (0, True)
    assert trackd("export", "--output", "all.jsonl", TRACKD_STORE_URL=url).returncode == 0
    assert trackd("import", "all.jsonl", "--db", "back.db").returncode == 0
    assert trackd("verify", "--db", "back.db").returncode == 0
    event = "SELECT id, profile_id, seq, session_id, type, created, inserted, properties FROM event ORDER BY number"
    for sql in (event, "SELECT id, seq, revision, doc FROM profile", "SELECT * FROM session", "SELECT * FROM event_id"):
        assert rows(db.with_name("back.db"), sql) == rows(db, sql)

    execute(db, "UPDATE event SET type = 'other' WHERE id = 'B-1'")
    differs = trackd("verify", "--store", url, "--against", db)
    assert (differs.returncode, "row 3 differs" in differs.stdout) == (1, True)
    assert differs.stdout.splitlines()[-1].endswith(" has 1 fault")


def test_what_cannot_be_moved_is_refused_with_a_sentence(
    trackd: Trackd, sentence: Sentence, db: Path, url: str
) -> None:
    assert "There is no database none.db: name the file" in sentence(trackd("migrate", "none.db", url), 1)
    assert "should begin with postgresql://" in sentence(trackd("migrate", db, "mysql://me:secret@host/trackd"), 2)
    assert "needs a database" in trackd("verify", "--against", db).stderr
    backend = PostgresBackend(url)
    backend.store.commit([Make.change("X")])
    backend.close()
    assert "is not empty, it has rows in profile" in sentence(trackd("migrate", db, url), 1)


@pytest.mark.slow
def test_a_command_that_is_killed_again_and_again_copies_everything_once(
    trackd: Trackd, db: Path, url: str, tmp_path: Path
) -> None:
    store = SqliteStore(db)
    for batch in range(20):
        store.commit([Make.change(f"P{batch}-{n}", events=10, session=f"S{batch}-{n}") for n in range(100)])
    store.close()
    reader = Connection(url)
    tables, chance = ("profile", "session", "event"), random.Random(1)

    def stored() -> int:
        """The command makes the tables, perhaps while they are counted."""
        with contextlib.suppress(StoreError):
            return sum(reader.read(f"SELECT count(*) FROM {table}")[0][0] for table in tables)
        return 0

    for _ in range(4):
        wanted = stored() + chance.randrange(5_000)
        with subprocess.Popen([TRACKD, "migrate", db, url], cwd=tmp_path, stderr=subprocess.PIPE) as command:
            while command.poll() is None and stored() <= wanted:
                pass
            command.send_signal(signal.SIGKILL)
    reader.close()
    done = trackd("migrate", db, url)
    assert (done.returncode, done.stderr) == (0, "")
    assert trackd("verify", "--store", url, "--against", db).returncode == 0
    found = json.loads(trackd("profile", "show", "P19-99", TRACKD_STORE_URL=url).stdout)
    assert found["seq"] == 10
