"""`trackd doctor` as a command: its table, its JSON, its exit code, and paths of all kinds."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from trackd.storage.sqlite.database import open_for_writing

Trackd = Callable[..., subprocess.CompletedProcess[str]]
CHECKS = [
    "configuration", "SQLite", "file system", "free space", "folder", "permissions", "leftovers", "writing", "locks",
    "SQLite's log", "fsync", "in use", "tables", "open files", "port",
]  # fmt: skip


def examined(trackd: Trackd, *arguments: str | bytes | Path, **environment: str) -> list[dict[str, str]]:
    found = trackd("doctor", "--json", "--port", "0", *arguments, **environment)
    report = json.loads(found.stdout)
    assert report.keys() == {"database", "state", "findings"}
    assert (found.returncode == 1) == (report["state"] == "fault")
    findings: list[dict[str, str]] = report["findings"]
    assert all(each.keys() == {"check", "state", "found", "remedy"} for each in findings)
    assert all(each["remedy"] for each in findings if each["state"] != "ok")
    return findings


def test_a_sound_installation_has_a_line_for_each_check_and_no_file_is_made(trackd: Trackd, tmp_path: Path) -> None:
    found = trackd("doctor", "--port", "0")
    assert (found.returncode, found.stderr) == (0, "")
    assert [line.split("│")[1].strip() for line in found.stdout.splitlines() if line.startswith("│")] == CHECKS
    assert found.stdout.splitlines()[-1].startswith("trackd.db: no faults, ")
    assert list(tmp_path.iterdir()) == []
    assert [each["check"] for each in examined(trackd)] == CHECKS


def test_a_database_is_only_read(trackd: Trackd, tmp_path: Path) -> None:
    open_for_writing(tmp_path / "trackd.db").close()
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    checks = {each["check"]: each["state"] for each in examined(trackd)}
    assert (checks["tables"], checks["log"], checks["clock"]) == ("ok", "ok", "ok")
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "name", [b"a\x1b[2Jb.db", b"\xff.db", b"x" * 300, b"a/b/c.db", b"[bold]x[/bold].db", b"/dev/null/x"]
)
def test_any_path_has_a_report_as_text(trackd: Trackd, name: bytes) -> None:
    examined(trackd, "--db", name)
    found = trackd("doctor", "--port", "0", "--db", name)
    assert found.stderr == ""
    assert "\x1b" not in found.stdout


def test_paths_that_lead_to_no_file_are_faults(trackd: Trackd, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("loop", "folder", "pipe", "missing/x.db"):
        states = {each["state"] for each in examined(trackd, "--db", name)}
        assert "fault" in states


def test_a_link_has_its_files_beside_its_target(trackd: Trackd, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    open_for_writing(tmp_path / "data" / "x.db").close()
    (tmp_path / "trackd.db").symlink_to("data/x.db")
    findings = examined(trackd)
    assert any(f"leads to {tmp_path}/data/x.db" in each["found"] for each in findings)
    assert any(f"files can be made in {tmp_path}/data" in each["found"] for each in findings)


def test_settings_that_have_no_effect_are_named(trackd: Trackd, write: Callable[..., Path]) -> None:
    write("trackd.toml", "[log]\nlevel = 'info'\n")
    write("other.toml", "[log]\nlevel = 'debug'\n[database]\nsynchronous = 'NORMAL'\n")
    findings = examined(trackd, "--config", "other.toml", TRACKD_LOG_LEVEL="error", TRACKD_LIMITS_BLOCKED_IDS="")
    found = [each["found"] for each in findings if each["check"] == "configuration"]
    assert found[0] == "other.toml is read; from the environment: log.level"
    assert "trackd.toml is not read: --config or TRACKD_CONFIG names other.toml" in found[1]
    assert found[2] == "log.level of the file has no effect: the environment sets it too"
    assert found[3].startswith("The variable TRACKD_LIMITS_BLOCKED_IDS is empty")
    assert found[4].startswith("database.synchronous is NORMAL")


def test_a_configuration_that_is_wrong_is_wrong_usage(trackd: Trackd, sentence: Callable[..., str]) -> None:
    assert "did you mean" in sentence(trackd("doctor", TRACKD_SERVER_PRT="1"), 2)
