"""Commands on a PostgreSQL database, with a server and without one."""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.forked_server import start_server
from tests.support.making import Make
from tests.support.postgres import emptied, with_database
from tests.support.process import TRACKD, Process
from tests.support.stores import PostgresBackend
from trackd.core.changes import Outcome
from trackd.core.retention_changes import PutRetentionStop

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]
Command = Callable[..., subprocess.CompletedProcess[str]]
RULES = """
[[segment]]
name = "Big spender"
when = "profile.traits.private.revenue >= 100.0"
"""


@pytest.fixture
def backend(postgres_database: str) -> Iterator[PostgresBackend]:
    """With the profile A, its session S and 3 events; `merged` leads to it."""
    emptied(postgres_database)
    backend = PostgresBackend(postgres_database)
    change = Make.change("A", events=2, session="S", event_ids={"own": 1}, segments=["gone"])
    assert backend.store.commit([change]) == [Outcome.STORED]
    assert backend.store.commit([Make.change("A", (2, 1), events=1, segments=["gone"])]) == [Outcome.STORED]
    backend.execute("INSERT INTO merged VALUES ('merged', 'A')")
    with contextlib.closing(backend):
        yield backend


@pytest.fixture
def command(trackd: Trackd, backend: PostgresBackend) -> Command:
    """Runs a command on the database that its environment names."""
    return lambda *words: trackd(*words, TRACKD_STORE_URL=backend.url)


@pytest.fixture
def server(backend: PostgresBackend, tmp_path: Path, rules: Callable[[str], str]) -> Iterator[Process]:
    environment = {"TRACKD_STORE_URL": backend.url, "TRACKD_RULES_PATH": rules(RULES)}
    started = start_server(["serve", "--port", "0"], tmp_path, environment)
    try:
        yield Process(tmp_path, started)
    finally:
        started.kill()
        started.communicate()


def test_a_profile_is_shown_exported_and_erased(
    command: Command, sentence: Sentence, backend: PostgresBackend, tmp_path: Path
) -> None:
    shown = command("profile", "show", "merged")
    assert (json.loads(shown.stdout)["id"], shown.stderr) == ("A", "")
    assert command("profile", "export", "A", "--output", "a.json").returncode == 0
    exported = json.loads((tmp_path / "a.json").read_text())
    assert ([each["id"] for each in exported["sessions"]], len(exported["events"])) == (["S"], 3)

    erased = command("profile", "erase", "merged")
    assert (erased.returncode, erased.stdout) == (0, "Erased the profile merged.\n")
    assert (backend.store.profile("A"), backend.events()) == (None, [])
    missing = sentence(command("profile", "erase", "A"), 1)
    assert re.fullmatch(r"There is no profile A in postgresql://trackd:\*\*\*@\S+\.", missing)


def test_the_newest_records_are_printed_and_then_those_that_come(backend: PostgresBackend, tmp_path: Path) -> None:
    tail = subprocess.Popen(
        [TRACKD, "tail", "--json", "-n", "2", "--store", backend.url], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    with tail:
        assert tail.stdout is not None
        assert [json.loads(tail.stdout.readline())["id"] for _ in range(2)] == ["A-2", "A-3"]
        backend.store.commit([Make.change("B", events=1)])
        assert json.loads(tail.stdout.readline())["id"] == "B-1"
        tail.send_signal(signal.SIGTERM)
        assert tail.wait(timeout=30) == 0


def test_without_a_server_rules_are_applied_by_the_command_and_a_link_has_a_note(
    command: Command, sentence: Sentence, backend: PostgresBackend, rules: Callable[[str], str]
) -> None:
    backend.close()  # its connections look like those of a server
    assert "the built-in rules lack segments that profiles are in (gone)" in sentence(command("rules", "apply"), 1)
    applied = command("rules", "apply", "--rules", rules(RULES))
    assert (applied.returncode, applied.stderr) == (0, "")
    assert applied.stdout.splitlines()[0] == "Evaluated 1 profile again."
    link = command("ui")
    assert link.stdout.startswith("http://127.0.0.1:8686/ui/#k=")
    assert "No server runs on this database" in link.stderr
    [job] = backend.store.jobs()
    assert (job.state, job.done) == ("done", 1)


def test_a_running_server_applies_its_rules_and_takes_the_link(
    command: Command, backend: PostgresBackend, server: Process
) -> None:
    applied = command("rules", "apply", "--rules", "another.toml")
    assert applied.stdout.splitlines()[0] == "Evaluated 1 profile again."
    assert applied.stderr == "Note: the running server applies its own rules file, not that of --rules.\n"
    link = command("ui")
    assert link.stderr == "This link opens the live page, once and within 30 minutes:\n"
    page, _, key = link.stdout.strip().partition("#k=")
    assert page == f"{server.url}/ui/"
    assert httpx.post(f"{page}login", data={"key": key}, timeout=30).status_code == 303


def test_the_clock_is_confirmed(command: Command, backend: PostgresBackend) -> None:
    stop = PutRetentionStop(Make.now, None)
    assert backend.store.commit([stop]) == [Outcome.STORED]
    assert command("retention", "confirm").stdout.endswith("the retention goes on.\n")
    found = backend.store.retention_stop()
    assert (found.after, found.confirmed is None) == (None, False)


def findings(found: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    report = json.loads(found.stdout)
    return {each["check"]: (each["state"], each["found"]) for each in report["findings"]}


def test_the_doctor_examines_a_database_and_changes_nothing(trackd: Trackd, backend: PostgresBackend) -> None:
    url = with_database(backend.url, "trackd_examined")
    found = trackd("doctor", "--json", "--port", "0", TRACKD_STORE_URL=url)
    assert list(findings(found)) == [
        "configuration", "database", "PostgreSQL", "encoding", "writing", "commits", "connections", "transactions",
        "privileges", "tables", "clock", "open files", "port",
    ]  # fmt: skip
    assert "hidden" not in found.stdout
    assert findings(found)["tables"] == ("ok", "none yet: the first start makes them")
    again = findings(trackd("doctor", "--json", "--port", "0", "--store", url))
    assert again["tables"] == findings(found)["tables"]
    assert again["password"][0] == "warning"


def test_the_doctor_finds_tables_of_another_version_and_a_database_that_only_reads(
    trackd: Trackd, backend: PostgresBackend
) -> None:
    backend.execute("INSERT INTO trackd_migration (name) VALUES ('of the future')")
    try:
        only_reads = f"{backend.url}?options=-c%20default_transaction_read_only%3Don"
        found = trackd("doctor", "--json", "--port", "0", TRACKD_STORE_URL=only_reads)
    finally:
        backend.execute("DELETE FROM trackd_migration WHERE name = 'of the future'")
    assert found.returncode == 1
    states = {check: state for check, (state, _) in findings(found).items()}
    assert (states["tables"], states["writing"], states["privileges"]) == ("fault", "fault", "ok")


def test_the_doctor_names_a_database_that_cannot_be_reached(trackd: Trackd) -> None:
    found = trackd("doctor", "--json", "--port", "0", TRACKD_STORE_URL="postgresql://me:secret@127.0.0.1:1/trackd")
    assert found.returncode == 1
    assert findings(found)["database"][1].startswith("no connection to postgresql://me:***@127.0.0.1:1/trackd: ")
    assert "secret" not in found.stdout


def test_a_command_that_only_reads_makes_no_tables(trackd: Trackd, sentence: Sentence, postgres_database: str) -> None:
    url = with_database(postgres_database, "trackd_without_tables")
    refused = sentence(trackd("profile", "show", "x", "--store", url), 1)
    assert refused.endswith("has no tables of trackd: the first `trackd serve` on it makes them.")


def test_a_database_is_verified_exported_and_imported(
    command: Command, sentence: Sentence, backend: PostgresBackend, tmp_path: Path
) -> None:
    backend.execute("DELETE FROM merged")
    sound = command("verify")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert re.search(r"postgresql://trackd:\*\*\*@\S+ is sound\n", sound.stdout)
    assert command("export", "--output", "all.jsonl").returncode == 0
    events = command("export", "--table", "event", "--format", "csv").stdout.splitlines()
    assert [line.split(",")[1] for line in events] == ["id", "A-1", "A-2", "A-3"]
    refused = sentence(command("import", "all.jsonl"), 1)
    assert refused.startswith("Servers run on postgresql://")
    backend.close()
    exists = sentence(command("import", "all.jsonl"), 1)
    assert exists == "all.jsonl is not imported, line 2: the table profile has a row 'A' already."

    emptied(backend.url)
    backend.close()
    imported = command("import", "all.jsonl")
    assert imported.stdout.endswith(": 1 profile, 0 merged ids, 1 session, 1 event id, 0 tombstones, 3 events\n"), (
        imported
    )
    backend.execute("DELETE FROM event WHERE seq = 3")
    broken = command("verify")
    assert (broken.returncode, broken.stdout.splitlines()[-1][-12:]) == (1, " has 1 fault")
