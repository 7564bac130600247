"""`trackd profile`: with a server, without one, and with ids that no path can name."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.database import execute, rows
from tests.support.making import Make
from tests.support.payloads import SOURCE_ID, payload
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process
from trackd.core.documents import Source
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]

ODD = "a\nb/events"
TABLES = ("profile", "session", "event", "event_id", "pii", "merged")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The default database of the folder of the commands: the profile `ODD`, to which an id leads, and another one."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "test", permanent_profile_id=True))
    store = SqliteStore(path)
    odd = Make.change(ODD, events=2, session="s", event_ids={"own": 1}, pii={"email": "ann@example.com"})
    store.commit([odd, Make.change("other", events=1, session="t")])
    store.close()
    execute(path, "INSERT INTO merged VALUES ('merged', ?)", ODD)
    execute(path, "INSERT INTO pii VALUES ('email', 'ann@example.com', ?)", ODD)
    return path


def content(db: Path) -> str:
    return "".join(str(row) for table in TABLES for row in rows(db, f"SELECT * FROM {table}"))


def traces(db: Path) -> list[str]:
    """What is left of the profile."""
    return [text for text in (ODD, "ann@", "own", "'s'", "merged") if text in content(db).replace("\\n", "\n")]


@pytest.mark.parametrize("profile_id", [ODD, "merged"])
def test_a_profile_is_shown_as_it_is_stored(trackd: Trackd, db: Path, profile_id: str) -> None:
    shown = trackd("profile", "show", profile_id)
    assert (shown.returncode, shown.stderr) == (0, "")
    [stored] = rows(db, "SELECT doc FROM profile WHERE id = ?", ODD)
    assert json.loads(shown.stdout) == json.loads(stored["doc"])


def test_numbers_and_text_are_shown_exactly_and_nothing_acts_on_the_terminal(trackd: Trackd, db: Path) -> None:
    doc = '{"id":"x","a":12345678901234567890.10,"b":"\x9b\u202e\u00e9","c":1e400}'
    execute(db, "INSERT INTO profile (id, seq, revision, doc) VALUES ('x', 0, 1, ?)", doc)
    shown = trackd("profile", "show", "x").stdout
    assert "12345678901234567890.10" in shown
    assert "1e400" in shown
    assert r'"\u009b\u202eé"' in shown


def test_an_export_has_the_profile_its_sessions_and_all_events(trackd: Trackd, db: Path, tmp_path: Path) -> None:
    to_stdout = trackd("profile", "export", ODD)
    exported = json.loads(to_stdout.stdout)
    assert (exported["profile"]["id"], [each["id"] for each in exported["sessions"]]) == (ODD, ["s"])
    assert [event["seq"] for event in exported["events"]] == [2, 1]
    assert trackd("profile", "export", "merged", "--output", "odd.json").returncode == 0
    assert (tmp_path / "odd.json").read_text() == to_stdout.stdout


@pytest.mark.parametrize("profile_id", [ODD, "merged"])
def test_without_a_server_the_command_erases_the_profile_itself(trackd: Trackd, db: Path, profile_id: str) -> None:
    erased = trackd("profile", "erase", profile_id)
    assert (erased.returncode, erased.stderr) == (0, "")
    assert erased.stdout == "Erased the profile {}.\n".format(profile_id.replace("\n", "\\n"))
    assert traces(db) == []
    assert [row["id"] for row in rows(db, "SELECT id FROM profile")] == ["other"]
    assert len(rows(db, "SELECT * FROM erased")) == 2
    assert rows(db, "SELECT * FROM job") == []
    assert b"ann@example.com" not in b"".join(path.read_bytes() for path in db.parent.glob("trackd.db*"))
    assert not DatabaseLock(db).is_held()
    assert trackd("verify").returncode == 0


def test_events_can_be_kept_without_the_person(trackd: Trackd, db: Path) -> None:
    assert trackd("profile", "erase", ODD, "--keep-events").returncode == 0
    assert traces(db) == []
    assert [row["profile_id"] for row in rows(db, "SELECT profile_id FROM event ORDER BY number")] == ["", "", "other"]


def test_a_running_server_erases_in_the_order_of_its_calls(
    trackd: Trackd, db: Path, serve: Callable[..., Process]
) -> None:
    server = serve(source=False)

    def call(**more: Any) -> Any:
        return httpx.post(f"{server.url}/track", json=payload("s", "t", **more), timeout=30).json()

    assert call()["debugging"]["events"]["seq"] == [3]
    shown = json.loads(trackd("profile", "show", ODD).stdout)
    assert shown["seq"] == 3
    erased = trackd("profile", "erase", ODD)
    assert (erased.returncode, erased.stderr) == (0, "")
    assert traces(db) == []
    answer = call(profile=ODD)
    assert (answer["profile"]["id"], answer["debugging"]["events"]["seq"]) == (ODD, [1])  # a new one with its id
    [job] = rows(db, "SELECT kind, state, arguments, result FROM job")
    assert dict(job) == {"kind": "erase_profile", "state": "done", "arguments": "{}", "result": "{}"}
    assert trackd("profile", "erase", "nobody").returncode == 1
    assert server.stop() == 0
    assert trackd("verify").returncode == 0


def test_a_job_that_is_done_late_does_not_erase_a_profile_that_took_the_id_since(
    trackd: Trackd, db: Path, serve: Callable[..., Process]
) -> None:
    with Jobs(db) as jobs:
        jobs.add("erase_profile", {"profile_id": ODD, "inserted": "2020-01-01T00:00:00.000000Z", "keep_events": False})
    serve(source=False)
    wait_until(lambda: rows(db, "SELECT 1 FROM job WHERE state = 'done'"), "the job is done")
    assert trackd("profile", "show", ODD).returncode == 0


@pytest.mark.slow
def test_a_command_whose_server_was_killed_erases_the_profile_itself_and_ends_the_job(
    db: Path, serve: Callable[..., Process], tmp_path: Path
) -> None:
    server = serve(source=False)
    os.kill(server.process.pid, signal.SIGSTOP)
    command = subprocess.Popen([TRACKD, "profile", "erase", ODD], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    with command:
        wait_until(lambda: rows(db, "SELECT 1 FROM job"), "the job is in the file")
        server.stop(signal.SIGKILL)
        out, _ = command.communicate(timeout=60)
    assert (command.returncode, out) == (0, "Erased the profile a\\nb/events.\n")
    assert traces(db) == []
    assert [row["state"] for row in rows(db, "SELECT state FROM job")] == ["done"]


@pytest.mark.parametrize("command", ["show", "export", "erase"])
def test_an_unknown_profile_and_a_missing_database_are_named(
    trackd: Trackd, sentence: Sentence, db: Path, tmp_path: Path, command: str
) -> None:
    message = sentence(trackd("profile", command, "nobody"), 1)
    assert message == "There is no profile nobody in trackd.db."
    missing = sentence(trackd("profile", command, "x", "--db", "missing.db"), 1)
    assert missing.startswith(f"There is no database {tmp_path / 'missing.db'}: ")


def test_an_id_may_begin_with_a_dash_and_a_document_may_be_broken(trackd: Trackd, sentence: Sentence, db: Path) -> None:
    execute(db, "INSERT INTO profile (id, seq, revision, doc) VALUES ('-x', 0, 1, 'none')")
    for doc in ("none", "{", "[]", '{"a":' * 2_000):
        execute(db, "UPDATE profile SET doc = ? WHERE id = '-x'", doc)
        for command in ("show", "export"):
            message = sentence(trackd("profile", command, "--", "-x"), 1)
            assert message == "The stored row of the profile -x is damaged: `trackd verify` shows all faults."
    assert trackd("profile", "erase", "--", "-x").returncode == 0
    assert [row["id"] for row in rows(db, "SELECT id FROM profile")] == [ODD, "other"]
