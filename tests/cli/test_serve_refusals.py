"""Faults that end `trackd serve` at its start: one sentence, no traceback, exit code 1 or 2."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import execute
from tests.support.process import Process
from trackd.storage.sqlite.sources import Sources

Trackd = Callable[..., subprocess.CompletedProcess[str]]
Sentence = Callable[[subprocess.CompletedProcess[str], int], str]
Serve = Callable[..., Process]


def test_a_file_that_is_no_database(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    garbage = os.urandom(5000)
    (tmp_path / "garbage.db").write_bytes(garbage)
    message = sentence(trackd("serve", "--port", "0", "--db", "garbage.db"), 1)
    assert message.startswith("garbage.db is not a sound SQLite database")
    assert (tmp_path / "garbage.db").read_bytes() == garbage


def test_a_database_of_another_program(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    execute(foreign, "CREATE TABLE profile (id TEXT)")
    before = foreign.read_bytes()
    message = sentence(trackd("serve", "--port", "0", "--db", "foreign.db"), 1)
    assert message == "foreign.db is a database of another program: name another file."
    assert foreign.read_bytes() == before


def test_a_database_of_a_newer_trackd(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    with Sources(newer, create=True):
        pass
    execute(newer, "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('trackd', 'tables_of_tomorrow')")
    message = sentence(trackd("serve", "--port", "0", "--db", "newer.db"), 1)
    assert message.startswith("newer.db was written by a newer trackd (it has tables_of_tomorrow): ")


def test_a_port_in_use(trackd: Trackd, sentence: Sentence) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = sentence(trackd("serve", "--port", str(port)), 1)
    assert message.startswith(f"Cannot listen on 127.0.0.1:{port} (Address already in use")
    assert "--port" in message


def test_a_folder_that_does_not_exist(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    message = sentence(trackd("serve", "--port", "0", "--db", "nowhere/trackd.db"), 1)
    assert message.startswith(f"nowhere/trackd.db cannot be used (No such file or directory: {tmp_path / 'nowhere'})")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder where root may not write either")
def test_a_folder_without_permission_to_write(trackd: Trackd, sentence: Sentence) -> None:
    message = sentence(trackd("serve", "--port", "0", "--db", "/proc/trackd.db"), 1)
    assert message.startswith("/proc/trackd.db cannot be used (")
    assert "may write" in message


def test_a_folder_in_place_of_a_file(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    message = sentence(trackd("serve", "--port", "0", "--db", "folder"), 1)
    assert message.startswith("folder cannot be ")


def test_a_broken_configuration_file(trackd: Trackd, sentence: Sentence, tmp_path: Path) -> None:
    (tmp_path / "trackd.toml").write_text("[server\nport = 1")
    message = sentence(trackd("serve", "--port", "0"), 2)
    assert message.startswith("The configuration file trackd.toml is not valid TOML: ")
    assert [path.name for path in tmp_path.iterdir()] == ["trackd.toml"]


def test_a_second_server_on_the_same_file_names_the_pid_of_the_first(
    trackd: Trackd, sentence: Sentence, serve: Serve, tmp_path: Path
) -> None:
    first = serve()
    (tmp_path / "other-name.db").symlink_to(first.db)
    for name in (first.db.name, "other-name.db"):
        message = sentence(trackd("serve", "--port", "0", "--db", name), 1)
        assert message.startswith(f"{name} is in use by another trackd (pid {first.process.pid}): ")
    assert first.process.poll() is None
