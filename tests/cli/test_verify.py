import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import open_database
from trackd.storage.sqlite.store import SqliteStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trackd.db"
    SqliteStore(path).close()
    return path


def test_a_sound_file_ends_with_exit_code_0_and_names_each_promise(
    trackd: Callable[..., subprocess.CompletedProcess[str]], file: Path
) -> None:
    run = trackd("verify", "--db", file)

    assert run.returncode == 0, run.stderr
    assert "is sound" in run.stdout
    assert "a profile's seq is that of its last event" in run.stdout


def test_faults_are_listed_and_end_with_exit_code_1(
    trackd: Callable[..., subprocess.CompletedProcess[str]], file: Path
) -> None:
    row = {"id": "A", "seq": 1, "revision": 1, "doc": '{"id":"A"', "last_event": 7}
    open_database(file).table("profile").insert(row)

    run = trackd("verify", "--db", file, COLUMNS="1000")

    assert run.returncode == 1
    assert "EOF while parsing an object at line 1 column 9" in run.stdout
    assert "rows of profile: mend the row with an SQLite tool" in run.stdout
    assert "`trackd export`" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert "has 1 fault" in run.stdout


def test_counters_are_left_alone_where_rules_change_them(
    trackd: Callable[..., subprocess.CompletedProcess[str]], file: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "r"\nevent = "t"\nsteps = [{target = "stats.counters.t", op = "decrement", value = 1}]\n'
    )

    run = trackd("verify", "--db", file, "--rules", rules)

    assert run.returncode == 0
    assert "counters are not checked" in run.stdout


def test_a_file_that_does_not_exist_fails_with_a_sentence(
    trackd: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    run = trackd("verify", "--db", tmp_path / "none.db")

    assert run.returncode == 1
    assert f"There is no database {tmp_path / 'none.db'}: " in run.stderr
