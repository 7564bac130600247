"""`trackd export`, `trackd import` and `trackd backup`, run as a user does."""

import csv
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pyarrow import parquet

from tests.support.database import execute
from tests.support.exports import contents, exported
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.transfer.formats import FormatError, check_parquet

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
Sentence = Callable[[Result, int], str]


MANY_EVENTS = """
WITH RECURSIVE n (i) AS (VALUES (6) UNION ALL SELECT i + 1 FROM n LIMIT 20000)
INSERT INTO event SELECT i, event.id, '', 0, '', source_id, type, created, inserted, status, ip, properties, context,
    config, tags, reasons, NULL, NULL FROM n JOIN event ON number = 1
"""
MANY_PROFILES = """
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 20000)
INSERT INTO profile (id, seq, revision, doc)
    SELECT 'profile-' || i, seq, revision, json_set(doc, '$.id', 'profile-' || i) FROM n
    JOIN (SELECT * FROM profile LIMIT 1)
"""
MANY_SESSIONS = """
WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 20000)
INSERT INTO session SELECT 's-many-' || i, profile_id, inserted, updated, context, properties FROM n
    JOIN session ON id = 's-1'
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 profiles and 5 events, made by a server that stopped."""
    path = tmp_path_factory.mktemp("made") / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test"))
    command: list[str | Path] = [TRACKD, "serve", "--port", "0", "--db", path]
    server = Process(path, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    for session, types in {"s-1": ["a", "b", "c"], "s-2": ["page-view", "d"]}.items():
        assert httpx.post(f"{server.url}/track", json=payload(session, *types), timeout=30).status_code == 200
    server.process.terminate()
    _, log = server.process.communicate(timeout=30)
    assert server.process.returncode == 0, log
    return path


@pytest.fixture
def db(made: Path, tmp_path: Path) -> Path:
    """A copy of it: the default database of the folder that commands run in."""
    return Path(shutil.copy(made, tmp_path / "trackd.db"))


def done(result: Result) -> str:
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_an_export_is_imported_into_a_new_file_with_the_same_rows(trackd: Trackd, db: Path) -> None:
    assert done(trackd("export", "--output", "all.jsonl")) == ""
    printed = done(trackd("import", "all.jsonl", "--db", "new.db"))
    assert printed == (
        "Imported into new.db: 2 profiles, 0 merged ids, 2 sessions, 0 event ids, 0 tombstones, 5 events\n"
    )
    assert contents(db.with_name("new.db")) == contents(db)


def test_an_export_can_go_through_a_pipe(db: Path) -> None:
    pipe = f"{TRACKD} export | {TRACKD} import - --db new.db"
    assert subprocess.run(["sh", "-c", pipe], cwd=db.parent, capture_output=True, check=False).returncode == 0
    assert contents(db.with_name("new.db")) == contents(db)


def test_a_table_is_written_in_each_format(trackd: Trackd, db: Path) -> None:
    lines = done(trackd("export", "--table", "event")).splitlines()
    types = [json.loads(line)["type"] for line in lines]
    assert types == ["a", "b", "c", "page-view", "d"]

    rows = list(csv.DictReader(done(trackd("export", "--table", "event", "--format", "csv")).splitlines()))
    assert [row["type"] for row in rows] == types
    assert json.loads(rows[0]["properties"]) == {}

    assert done(trackd("export", "--table", "event", "--format", "parquet", "--output", "events.parquet")) == ""
    assert parquet.read_table(db.with_name("events.parquet")).column("type").to_pylist() == types
    with db.with_name("piped.parquet").open("wb") as piped:
        command = [str(TRACKD), "export", "--table", "event", "--format", "parquet"]
        subprocess.run(command, cwd=db.parent, stdout=piped, check=True)
    assert parquet.read_table(db.with_name("piped.parquet")).column("type").to_pylist() == types

    [first, _] = [json.loads(line) for line in done(trackd("export", "--table", "profile")).splitlines()]
    assert first["stats"]["counters"] == {"a": 1, "b": 1, "c": 1}
    assert {json.loads(line)["id"] for line in done(trackd("export", "--table", "session")).splitlines()} == {
        "s-1",
        "s-2",
    }


def test_since_and_until_take_a_date_or_a_time(trackd: Trackd, db: Path) -> None:
    execute(db, "UPDATE event SET inserted = '2020-01-02T03:04:05.000000Z' WHERE type != 'd'")
    for since, events in {
        "2020-01-02": 5,
        "2020-01-03": 1,
        "2020-01-02T03:04:05Z": 5,
        "2020-01-02T03:04:05.000001": 1,
        "20200102T050405+02": 5,
        "2999-001": 0,
    }.items():
        assert len(done(trackd("export", "--table", "event", "--since", since)).splitlines()) == events, since
        assert len(done(trackd("export", "--table", "event", "--until", since)).splitlines()) == 5 - events, since
    between = ["--since", "2020-01-02", "--until", "2020-01-03"]
    assert len(done(trackd("export", "--table", "event", *between)).splitlines()) == 4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--format", "csv"], "csv needs --table."),
        (["--since", "2026-01-01"], "needs --table."),
        (["--until", "2026-01-01"], "needs --table."),
        (["--table", "event", "--since", "2026-01-01", "--until", "2026-01-01"], "must be later than --since."),
        (["--table", "event", "--since", "yesterday"], "'yesterday' is not a time: write it as 2026-01-31 or"),
        (["--table", "event", "--since", "0001-01-01T00:00:00+14:00"], "is not a time"),
        (["--table", "source"], "'source' is not one of"),
        (["--table", "event", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_of_export_is_named(trackd: Trackd, db: Path, arguments: list[str], named: str) -> None:
    result = trackd("export", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


def test_an_export_that_fails_names_the_reason_and_leaves_no_file(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    assert sentence(trackd("export", "--db", "missing.db", "--output", "out"), 1).startswith(
        f"There is no database {db.parent / 'missing.db'}: "
    )
    assert (
        sentence(trackd("export", "--output", "no/out"), 1)
        == "no/out cannot be written (No such file or directory): name another file."
    )
    assert sentence(trackd("export", "--output", "."), 1) == ". cannot be written (Is a directory): name another file."
    assert sentence(trackd("export", "--output", "trackd.db"), 1).startswith("trackd.db is the database itself")
    assert (
        sentence(trackd("export", "--output", "/dev/full"), 1)
        == "/dev/full cannot be written (No space left on device): make room on its disk."
    )
    assert [path for path in db.parent.iterdir() if not path.name.startswith("trackd.db-")] == [db]


def test_an_export_that_fails_midway_keeps_the_existing_file(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    execute(db, "UPDATE event SET tags = '7' WHERE type = 'd'")
    db.with_name("out.jsonl").write_text("the last one")
    message = sentence(trackd("export", "--output", "out.jsonl"), 1)
    assert "a row in event that is not as trackd writes them (number 5" in message
    assert db.with_name("out.jsonl").read_text() == "the last one"
    assert list(db.parent.glob("*.part")) == []


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("event", "jsonl"),
        ("profile", "csv"),
        *(
            pytest.param(table, kind, marks=pytest.mark.slow)
            for table, kind in [("event", "csv"), ("profile", "jsonl"), ("session", "jsonl"), ("session", "csv")]
        ),
    ],
)
def test_a_reader_that_closes_the_pipe_ends_the_export_of_a_table_quietly(db: Path, table: str, kind: str) -> None:
    for statement in (MANY_EVENTS, MANY_PROFILES, MANY_SESSIONS):
        execute(db, statement)
    command = f"{TRACKD} export --table {table} --format {kind} | head -n 1"
    result = subprocess.run(["sh", "-c", command], cwd=db.parent, capture_output=True, text=True, check=False)
    assert (len(result.stdout.splitlines()), result.stderr) == (1, "")


def test_a_reader_that_closes_the_pipe_ends_an_export_quietly(db: Path) -> None:
    execute(db, MANY_EVENTS)
    command = f"{TRACKD} export | head -n 1"
    result = subprocess.run(["sh", "-c", command], cwd=db.parent, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ('{"format":"trackd-export","version":3,"last_number":20005}\n', "")


def test_a_damaged_file_is_refused_in_one_sentence_and_no_database_is_made(
    trackd: Trackd, sentence: Sentence, db: Path
) -> None:
    db.with_name("cut.jsonl").write_bytes(b"".join(exported(db))[:-100])
    message = sentence(trackd("import", "cut.jsonl", "--db", "new.db"), 1)
    assert message.startswith("cut.jsonl is not imported, line ")
    assert message.endswith("it was cut off.")
    assert not db.with_name("new.db").exists()
    assert (
        sentence(trackd("import", "missing.jsonl"), 1)
        == "missing.jsonl cannot be read (No such file or directory): name another file."
    )
    assert sentence(trackd("import", "."), 1) == ". cannot be read (Is a directory): name another file."
    assert sentence(trackd("import", "-", "--db", "new.db"), 1).startswith(
        "stdin is not imported, line 1: this is not a file"
    )


def test_an_import_into_the_file_of_a_server_is_refused(
    trackd: Trackd, sentence: Sentence, serve: Callable[..., Process], db: Path
) -> None:
    done(trackd("export", "--output", "all.jsonl"))
    server = serve()
    assert f"in use by another trackd (pid {server.process.pid})" in sentence(trackd("import", "all.jsonl"), 1)


def test_a_backup_is_served(trackd: Trackd, sentence: Sentence, serve: Callable[..., Process], db: Path) -> None:
    assert done(trackd("backup", "copy.db")) == ""
    assert "copy.db exists already" in sentence(trackd("backup", "copy.db"), 1)
    assert done(trackd("backup", "copy.db", "--force")) == ""
    assert contents(db.with_name("copy.db")) == contents(db)
    server = serve(db.with_name("copy.db"))
    answer = httpx.post(f"{server.url}/track", json=payload("s-1", "e"), timeout=30).json()
    assert answer["debugging"]["events"]["seq"] == [4]


@pytest.mark.parametrize(
    "command", [["export", "--output", "out.jsonl"], ["backup", "copy.db"], ["import", "all.jsonl"]]
)
def test_a_bar_is_shown_on_a_terminal(db: Path, command: list[str]) -> None:
    db.with_name("all.jsonl").write_bytes(b"".join(exported(db)))
    master, terminal = pty.openpty()
    into = ["--db", "new.db"] if command[0] == "import" else []
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [TRACKD, *command, *into], cwd=db.parent, stderr=terminal, stdout=terminal, env=environment
    )
    os.close(terminal)
    shown = b""
    while chunk := _read(master):
        shown += chunk
    os.close(master)
    assert process.wait(30) == 0
    assert command[0].encode() in shown
    assert "━".encode() in shown


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # how Linux reports that the other side is closed
        return b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_stopped_removes_its_unfinished_file(db: Path, number: int) -> None:
    lines = exported(db)
    command = [str(TRACKD), "import", "-", "--db", "new.db"]
    process = subprocess.Popen(
        command, cwd=db.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(lines[0])
    process.stdin.flush()
    while not list(db.parent.glob(".new.db.*.part")):
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode not in (0, -number)
    assert not db.with_name("new.db").exists()
    assert list(db.parent.glob(".new.db.*.part")) == []


def test_parquet_without_pyarrow_is_refused_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(FormatError, match=r"install it with `pip install 'trackd\[parquet\]'`"):
        check_parquet()
