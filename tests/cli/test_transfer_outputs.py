"""The files that `trackd export` and `trackd backup` write: their modes, and what else may have the name of one."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.exports import exported
from tests.support.process import TRACKD
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Result = subprocess.CompletedProcess[str]
Trackd = Callable[..., Result]
EXPORTS = {
    "all.jsonl": ["export", "--output", "all.jsonl"],
    "events.csv": ["export", "--table", "event", "--format", "csv", "--output", "events.csv"],
    "events.parquet": ["export", "--table", "event", "--format", "parquet", "--output", "events.parquet"],
    "copy.db": ["backup", "--force", "copy.db"],
}


@pytest.fixture
def db(tmp_path: Path) -> Path:
    with Sources(tmp_path / "trackd.db", create=True) as sources:
        sources.add(Source("s", "test"))
    return tmp_path / "trackd.db"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_new_file_is_for_its_owner_alone_and_an_existing_one_keeps_its_mode(
    trackd: Trackd, db: Path, name: str
) -> None:
    assert trackd(*EXPORTS[name]).returncode == 0
    assert mode(db.with_name(name)) == 0o600

    db.with_name(name).chmod(0o644)
    assert trackd(*EXPORTS[name]).returncode == 0
    assert mode(db.with_name(name)) == 0o644


def test_all_files_of_an_import_are_for_their_owner_alone(trackd: Trackd, db: Path) -> None:
    db.with_name("all.jsonl").write_bytes(b"".join(exported(db)))

    assert trackd("import", "all.jsonl", "--db", "new.db").returncode == 0

    assert {path.name: mode(path) for path in db.parent.glob("new.db*")} == {"new.db": 0o600, "new.db-lock": 0o600}


def test_an_export_to_a_link_replaces_its_target(trackd: Trackd, db: Path) -> None:
    db.with_name("target").write_text("before")
    db.with_name("link").symlink_to("target")

    assert trackd("export", "--output", "link").returncode == 0

    assert db.with_name("link").is_symlink()
    assert db.with_name("target").read_bytes().startswith(b'{"format"')


def test_an_export_to_stdout_by_a_name_adds_to_the_file_behind_it(db: Path) -> None:
    db.with_name("all").write_text("before\n")

    command = f"{TRACKD} export --output /dev/stdout >> all"
    assert subprocess.run(["sh", "-c", command], cwd=db.parent, check=True).returncode == 0

    lines = db.with_name("all").read_bytes().splitlines()
    assert lines[0] == b"before"
    assert lines[1].startswith(b'{"format"')


@pytest.mark.parametrize("name", ["/dev/fd/3", "pipe"])
def test_an_export_to_a_pipe_goes_through_it(db: Path, name: str) -> None:
    os.mkfifo(db.with_name("pipe"))
    to = "3>&1" if name == "/dev/fd/3" else "& cat pipe"
    done = subprocess.run(
        ["sh", "-c", f"{{ {TRACKD} export --output {name}; }} {to} | cat"],
        cwd=db.parent,
        capture_output=True,
        check=True,
    )

    assert done.stdout.startswith(b'{"format"')
    assert stat.S_ISFIFO(db.with_name("pipe").stat().st_mode)
