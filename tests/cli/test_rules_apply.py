"""`trackd rules apply`: with a server, without one, and after a kill."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import rows
from tests.support.making import Make
from tests.support.polling import wait_until
from tests.support.process import TRACKD, Process
from trackd.core.jobs import APPLY_RULES
from trackd.storage.sqlite.jobs import Jobs
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.store import SqliteStore

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]

RULES = """
[[segment]]
name = "Big spender"
when = "profile.traits.private.revenue >= 100.0"
event = "purchase"

[[segment]]
name = "Callers"
when = "session.id != ''"
"""
OTHER_RULES = RULES.replace("100.0", "10.0")
PROFILES = 30


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The default database of the folder: a third of the profiles have spent 150, the others 50."""
    path = tmp_path / "trackd.db"
    store = SqliteStore(path, synchronous="OFF")
    traits = [{"public": {}, "private": {"revenue": 50.0 + 100.0 * (n % 3 == 0)}} for n in range(PROFILES)]
    store.commit([Make.change(f"p{n:03}", traits=traits[n], segments=["gone"]) for n in range(PROFILES)])
    store.close()
    return path


def members(db: Path) -> dict[str, int]:
    """The number of profiles by their segments, as JSON."""
    found = rows(db, "SELECT doc ->> '$.segments' AS segments, count(*) AS number FROM profile GROUP BY 1")
    return {row["segments"]: row["number"] for row in found}


APPLIED = """\
Evaluated 30 profiles again.
  big-spender: 10 entered, 0 left
  gone: 0 entered, 30 left (the rules no longer have it)
Not evaluated, as their conditions read more than the profile: callers.
"""


def test_without_a_server_the_command_applies_the_rules_itself(
    trackd: Trackd, db: Path, rules: Callable[[str], str]
) -> None:
    before = rows(db, "SELECT doc FROM profile WHERE id = 'p000'")
    done = trackd("rules", "apply", "--rules", rules(RULES))
    assert (done.returncode, done.stdout, done.stderr) == (0, APPLIED, "")
    assert members(db) == {'["big-spender"]': 10, "[]": 20}
    after = rows(db, "SELECT doc FROM profile WHERE id = 'p000'")
    assert json.loads(after[0]["doc"]) == {**json.loads(before[0]["doc"]), "segments": ["big-spender"]}
    assert not DatabaseLock(db).is_held()
    again = trackd("rules", "apply", "--rules", rules(RULES))
    assert again.stdout.splitlines()[:2] == ["Evaluated 30 profiles again.", "  big-spender: 0 entered, 0 left"]
    assert trackd("export", "--table", "profile", "--since", "2026-02-01").stdout.count('"id":"p') == PROFILES


def test_without_a_server_and_a_rules_file_no_segment_is_emptied(
    trackd: Trackd, sentence: Sentence, db: Path, rules: Callable[[str], str]
) -> None:
    assert "the built-in rules lack segments that profiles are in (gone)" in sentence(trackd("rules", "apply"), 1)
    assert members(db) == {'["gone"]': PROFILES}
    assert rows(db, "SELECT number FROM job") == []
    assert trackd("rules", "apply", "--rules", rules(RULES)).returncode == 0


def test_a_running_server_applies_the_rules_of_its_file_as_it_is_now(
    trackd: Trackd, serve: Callable[..., Process], db: Path, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(OTHER_RULES))
    rules(RULES)
    done = trackd("rules", "apply")
    assert (done.returncode, done.stdout, done.stderr) == (0, APPLIED, "")
    assert members(db) == {'["big-spender"]': 10, "[]": 20}
    other = trackd("rules", "apply", "--rules", "elsewhere.toml")
    assert (other.returncode, members(db)) == (0, {'["big-spender"]': 10, "[]": 20})
    assert other.stderr == "Note: the running server applies its own rules file, not that of --rules.\n"
    rules("[[segment]]")
    failed = trackd("rules", "apply")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("trackd: The rules are unchanged, and were not applied: ")
    assert "the key `name` is missing" in failed.stderr
    assert server.stop() == 0


@pytest.mark.slow
def test_a_server_that_is_killed_goes_on_after_its_next_start_and_the_command_waits(
    serve: Callable[..., Process], db: Path, rules: Callable[[str], str], tmp_path: Path
) -> None:
    path = rules(RULES)
    server = serve(TRACKD_RULES_PATH=path)
    os.kill(server.process.pid, signal.SIGSTOP)
    command = subprocess.Popen(
        [TRACKD, "rules", "apply"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with command:
        wait_until(lambda: rows(db, "SELECT number FROM job"), "the job is in the file")
        server.stop(signal.SIGKILL)
        serve(TRACKD_RULES_PATH=path)
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (0, APPLIED, "")
    assert members(db) == {'["big-spender"]': 10, "[]": 20}


def test_the_command_goes_on_with_the_job_that_an_interrupted_one_left(
    trackd: Trackd, db: Path, rules: Callable[[str], str]
) -> None:
    with Jobs(db) as jobs:
        jobs.add(APPLY_RULES, {})
    assert trackd("rules", "apply", "--rules", rules(RULES)).stdout == APPLIED
    assert [row["state"] for row in rows(db, "SELECT state FROM job")] == ["done"]


def test_with_the_setting_a_start_applies_rules_whose_segments_changed(
    serve: Callable[..., Process], db: Path, rules: Callable[[str], str]
) -> None:
    server = serve(TRACKD_RULES_PATH=rules(RULES), TRACKD_RULES_APPLY_AFTER_CHANGE="on")
    wait_until(lambda: members(db) == {'["big-spender"]': 10, "[]": 20}, "the rules are applied")
    rules(OTHER_RULES)
    os.kill(server.process.pid, signal.SIGHUP)
    wait_until(lambda: members(db) == {'["big-spender"]': 30}, "the changed rules are applied")
    assert server.stop() == 0


def test_a_missing_database_is_named_and_nothing_is_made(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    message = sentence(trackd("rules", "apply"), 1)
    assert message.startswith(f"There is no database {tmp_path / 'trackd.db'}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_rules_file_with_a_fault_changes_nothing(
    trackd: Trackd, sentence: Sentence, db: Path, rules: Callable[[str], str]
) -> None:
    assert "the key `name` is missing" in sentence(trackd("rules", "apply", "--rules", rules("[[segment]]")), 2)
    assert members(db) == {'["gone"]': PROFILES}
    assert rows(db, "SELECT * FROM job") == []
