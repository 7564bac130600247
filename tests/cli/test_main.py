"""Common behaviour of all commands: help, versions, exit codes."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.process import TRACKD
from trackd.cli.commands import COMMANDS
from trackd.cli.lazy_command import LazyCommand
from trackd.config.settings import Settings
from trackd.storage.sqlite.sources import Sources

Trackd = Callable[..., subprocess.CompletedProcess[str]]


def test_version_names_trackd_and_what_it_runs_on(trackd: Trackd) -> None:
    result = trackd("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        rf"trackd {re.escape(version('trackd'))}, Python {re.escape(platform.python_version())}, "
        rf"SQLite 3\.\d+\.\d+, Thespian {re.escape(version('thespian'))}\n",
        result.stdout,
    )


def test_no_command_loads_modules_that_only_other_commands_need() -> None:
    loaded = "import sys; import trackd.cli.commands; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "sqlite_utils", "starlette", "rich.console", "pygal"} & set(modules)


def test_a_server_loads_no_migrations_when_its_file_has_the_tables(tmp_path: Path) -> None:
    """They would take memory and time of each start."""
    with Sources(tmp_path / "trackd.db", create=True):
        pass
    code = """
import pathlib, sys
import trackd.cli.serve as serve
from trackd.config.settings import Settings
from trackd.http.backends import SqliteStore

path = pathlib.Path(sys.argv[1])
settings = Settings(database={"path": path})
store = SqliteStore(path)
assert serve.first_source(settings, store) and serve.lacks_token(settings)
store.close()
print(*sys.modules)
"""
    modules = subprocess.check_output([sys.executable, "-c", code, tmp_path / "trackd.db"], text=True).split()
    assert "trackd.storage.sqlite.database" in modules
    assert not {"sqlite_utils", "sqlite3", "trackd.storage.sqlite.schema"} & set(modules)


@pytest.mark.parametrize("arguments", [["config"], ["token", "list"], ["source", "add", "--name", b"Caf\xe9"]])
def test_a_command_that_tests_fork_is_that_of_a_shell(trackd: Trackd, tmp_path: Path, arguments: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    started = subprocess.run(
        [TRACKD, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    forked = trackd(*arguments)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_the_help_lists_the_commands_in_the_order_in_which_a_newcomer_needs_them(trackd: Trackd) -> None:
    result = trackd("--help")
    assert (result.returncode, result.stderr) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  ", result.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == [
        "serve",
        "source",
        "ui",
        "tail",
        "token",
        "profile",
        "rules",
        "load",
        "verify",
        "export",
        "import",
        "backup",
        "restore",
        "migrate",
        "retention",
        "doctor",
        "ready",
        "config",
    ]
    assert "..." not in result.stdout.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_help_of_a_command_begins_as_its_line_in_the_list(command: LazyCommand) -> None:
    listed, full = command.help, command.load().help
    assert listed is not None
    assert full.startswith(listed.removesuffix("."))


def test_without_a_command_the_help_is_shown_as_wrong_usage(trackd: Trackd) -> None:
    result = trackd()
    assert result.returncode == 2
    assert "Usage: trackd" in result.stdout + result.stderr


def test_the_help_of_serve_names_the_defaults_in_force(trackd: Trackd) -> None:
    result = trackd("serve", "--help")
    assert result.returncode == 0
    text = " ".join(result.stdout.replace("│", " ").split())
    defaults = Settings()
    for flag, default in {
        "--host": defaults.server.host,
        "--port": defaults.server.port,
        "--db": defaults.database.path,
        "--config": "trackd.toml, if it exists",
    }.items():
        assert re.search(rf"{flag} [^\[]*\[default: {re.escape(str(default))}\]", text), flag


@pytest.mark.parametrize(("arguments", "named"), [(["sevre"], "sevre"), (["serve", "--port", "http"], "--port")])
def test_wrong_usage_is_named_and_ends_with_2(trackd: Trackd, arguments: list[str], named: str) -> None:
    result = trackd(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert named in result.stderr
    assert "Traceback" not in result.stderr
