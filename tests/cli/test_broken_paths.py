"""Paths that lead nowhere, in every option that names a file: one sentence names the path, the exit code is 1 or 2."""

import os
from pathlib import Path

import pytest

from tests.support.forked_command import run_commands
from tests.support.making import Make
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

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
tail --db ?
import export.jsonl --db ?
import ?
backup copy.db --db ?
backup ?
backup --force ?
restore backup.db --db ?
restore ?
retention confirm --db ?
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


def names(folder: Path) -> list[str]:
    """All but the locks, which stay where a command has made one."""
    return sorted(file.name for file in folder.iterdir() if not file.name.endswith("-lock"))


@pytest.mark.parametrize(
    "path",
    [
        "loop",
        "x" * 300,
        *(pytest.param(path, marks=pytest.mark.slow) for path in ("loop/below", "trackd.db/below", "missing/below")),
    ],
)
def test_a_path_that_leads_nowhere_is_named_in_one_sentence(folder: Path, path: str) -> None:
    before = names(folder)
    commands = [command.replace("?", path).split() for command in COMMANDS]
    faults = []
    for result in run_commands(commands, folder, {"PATH": os.environ["PATH"]}):
        lines = [line for line in result.stderr.splitlines() if line and not line.startswith(("Usage: ", "Try ", "{"))]
        if result.returncode not in (1, 2) or len(lines) != 1 or path[:60] not in lines[0]:
            faults.append((result.args, result.returncode, result.stderr[-300:]))
    assert faults == [], "\n".join(map(repr, faults))
    assert names(folder) == before
