"""What all commands share: help, versions, exit codes."""

import platform
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from trackd.config.settings import Settings
from trackd.storage.sqlite.sources import Sources

Trackd = Callable[..., subprocess.CompletedProcess[str]]


def test_version_names_trackd_and_what_it_stands_on(trackd: Trackd) -> None:
    result = trackd("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        rf"trackd {re.escape(version('trackd'))}, Python {re.escape(platform.python_version())}, "
        rf"SQLite 3\.\d+\.\d+, Thespian {re.escape(version('thespian'))}\n",
        result.stdout,
    )


def test_no_command_waits_for_what_only_others_need() -> None:
    loaded = "import sys; import trackd.cli.main; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "sqlite_utils", "starlette", "rich.console", "pygal"} & set(modules)


def test_a_server_loads_nothing_that_makes_tables_when_its_file_has_them(tmp_path: Path) -> None:
    """3.5 MB, and 60 ms of its start."""
    with Sources(tmp_path / "trackd.db", create=True):
        pass
    code = """
import pathlib, sys
import trackd.cli.serve as serve
from trackd.http.assembly import SqliteStore

path = pathlib.Path(sys.argv[1])
store = SqliteStore(path)
assert serve._first_source(path, store) and serve._first_token(path)
store.close()
print(*sys.modules)
"""
    modules = subprocess.check_output([sys.executable, "-c", code, tmp_path / "trackd.db"], text=True).split()
    assert "trackd.storage.sqlite.database" in modules
    assert not {"sqlite_utils", "sqlite3", "trackd.storage.sqlite.schema"} & set(modules)


def test_the_help_lists_every_command_with_what_it_does(trackd: Trackd) -> None:
    result = trackd("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for command, does in {
        "serve": "Run the server",
        "config": "Print each setting",
        "source": "Manage the sources",
        "token": "Manage the tokens",
        "export": "Write the whole database",
        "import": "Load an export",
        "backup": "Copy the database",
    }.items():
        assert re.search(rf"^\W*{command}\s+{does}", result.stdout, re.MULTILINE)


def test_without_a_command_the_help_is_shown_as_wrong_usage(trackd: Trackd) -> None:
    result = trackd()
    assert result.returncode == 2
    assert "Usage: trackd" in result.stdout + result.stderr


def test_the_help_of_serve_names_the_defaults_that_hold(trackd: Trackd) -> None:
    result = trackd("serve", "--help")
    assert result.returncode == 0
    text = " ".join(result.stdout.replace("│", " ").split())
    defaults = Settings()
    for flag, default in {
        "--host": defaults.server.host,
        "--port": defaults.server.port,
        "--db": defaults.database.path,
        "--config": "trackd.toml, if it is there",
    }.items():
        assert re.search(rf"{flag} [^\[]*\[default: {re.escape(str(default))}\]", text), flag


@pytest.mark.parametrize(("arguments", "named"), [(["sevre"], "sevre"), (["serve", "--port", "http"], "--port")])
def test_wrong_usage_is_named_and_ends_with_2(trackd: Trackd, arguments: list[str], named: str) -> None:
    result = trackd(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in result.stderr
    assert "Traceback" not in result.stderr
