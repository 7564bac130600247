"""Paths that lead nowhere, in every option that names a file: one sentence names the path, the exit code is 1 or 2."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.making import Make
from trackd.cli import commands
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

Run = Callable[[str], tuple[int, str]]

# `?` stands for the broken path. All other files are sound.
COMMANDS = """
serve --port 0 --db ?
serve --port 0 --rules ?
serve --port 0 --config ?
source list --db ?
source show shop --db ?
source add --name x --db ?
source add --create --name x --db ?
source edit shop --name x --db ?
source disable shop --db ?
source remove shop --db ?
source list --config ?
token new x --db ?
token new x --create --db ?
token new x --file ?
token list --db ?
token revoke x --db ?
profile show A --db ?
profile export A --db ?
profile export A -o ?
profile erase A --db ?
rules check ?
rules try ? --event event.json
rules try rules.toml --event ?
rules try rules.toml --event event.json --profile ?
rules apply --db ?
rules apply --rules ?
load http://127.0.0.1:9 --source s --json ?
load http://127.0.0.1:9 --source s --report ?
load http://127.0.0.1:9 --source s --history ?
verify --db ?
verify --rules ?
export --db ?
export -o ?
export --table event --format csv -o ?
export --follow ?
export --follow folder --db ?
import export.jsonl --db ?
import ?
backup copy.db --db ?
backup ?
backup --force ?
config --config ?
""".strip().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, an export, rules and an event, and with paths that lead nowhere."""
    folder = tmp_path_factory.mktemp("paths")
    store = SqliteStore(folder / "trackd.db")
    store.commit([Make.change("A", events=2, session="S")])
    with Sources(folder / "trackd.db") as sources:
        sources.add(Source("shop", "The shop"))
    store.close()
    (folder / "rules.toml").write_text("")
    (folder / "event.json").write_text('{"type": "t"}')
    (folder / "export.jsonl").write_text("{}")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs a command in this process; returns its exit code and what it wrote to stderr."""
    monkeypatch.chdir(folder)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook

    def run(command: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["trackd", *command.split()])
        try:
            commands.run()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except Exception as error:
            return -1, f"Traceback of {error!r}"
        return code, capsys.readouterr().err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before


@pytest.mark.parametrize(
    "path", ["loop", "loop/below", "x" * 300, "trackd.db/below", "missing/below", "folder/x/../../y/z"]
)
def test_a_path_that_leads_nowhere_is_named_in_one_sentence(run: Run, folder: Path, path: str) -> None:
    before = sorted(folder.iterdir())
    faults = []
    for command in COMMANDS:
        code, output = run(command.replace("?", path))
        lines = [line for line in output.splitlines() if line and not line.startswith(("Usage: ", "Try ", "{"))]
        if code not in (1, 2) or len(lines) != 1 or path[:60] not in lines[0] or "Traceback" in output:
            faults.append((command, code, output[-300:]))
    assert faults == [], "\n".join(map(repr, faults))
    assert sorted(folder.iterdir()) == before
