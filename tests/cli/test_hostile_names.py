"""All commands on a file whose ids and names were chosen to disturb terminals, logs and tables."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from tests.support.database import execute
from tests.support.making import Make
from trackd.cli.commands import COMMANDS
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore

Trackd = Callable[..., subprocess.CompletedProcess[str]]

NAME = "[/b][red]x :smile:\x1b[31m\x1b]0;t\x07\x9b1m\u202e\u2028\r\nINFO all is well"
SHOWN = r"[/b][red]x :smile:\x1b[31m\x1b]0;t\x07\x9b1m\u202e\u2028\r\nINFO all is well"
RULE = "[/b][red]x :smile:\x9b1m\u202e\u2028"  # a name in a rules file has no other control characters
FILE = NAME.replace("/", "|")
RULES = f"""
[[rule]]
name = {json.dumps(RULE)}
event = {json.dumps(RULE)}
when = "event.properties.n > 1.0"
steps = [{{ target = "traits.public.x", from = "properties.n" }}, {{ target = "pii.y", from = "properties.z" }}]
[[segment]]
name = {json.dumps(RULE)}
when = "profile.stats.views >= 0"
"""
EVENT: dict[str, Any] = {"type": RULE, "id": NAME, "properties": {"n": 5.0, "z": NAME}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the commands: its database has documents with the name, and faults that `verify` finds."""
    path = tmp_path / "trackd.db"
    with Sources(path, create=True) as sources:
        sources.add(Source("shop", NAME, NAME, tags=(NAME,)))
        sources.add(Source("x", "x"))
    execute(path, "UPDATE source SET id = ? WHERE id = 'x'", NAME)
    store = SqliteStore(path)
    store.commit([Make.change(NAME, events=2, session=NAME, segments=[NAME], event={"type": NAME, "session_id": NAME})])
    store.commit([Make.change("sound", events=1)])
    store.close()
    execute(path, "INSERT INTO token (name, hash, scopes, inserted) VALUES (?, 'h', ?, 'now')", NAME, f"read {NAME}")
    execute(path, "UPDATE event SET seq = 7 WHERE profile_id = ?", NAME)
    (tmp_path / "rules.toml").write_text(RULES)
    (tmp_path / FILE).write_text("[[rule]]")
    (tmp_path / "event.json").write_text(json.dumps([EVENT, {"type": NAME, "properties": {NAME: 1}}]))
    (tmp_path / "bad.jsonl").write_text(json.dumps({NAME: NAME}))
    return tmp_path


# Each command with the exit code, and whether its output shows the name.
LINES: list[tuple[list[str], int, bool]] = [
    (["serve", "--db", f"none/{FILE}"], 1, True),
    (["serve", "--port", NAME], 2, False),
    (["source", "add", "--name", NAME], 0, False),
    (["source", "add", "--name", "x", "--origin", f"https://{NAME}"], 2, False),
    (["source", "edit", NAME, "--name", NAME], 0, False),
    (["source", "list"], 0, True),
    (["source", "list", "--quiet"], 0, True),
    (["source", "show", NAME], 0, False),
    (["source", "enable", NAME], 0, False),
    (["source", "disable", NAME + "?"], 1, True),
    (["source", "remove", NAME + "?"], 1, True),
    (["tail", "--after", NAME], 2, False),
    (["token", "new", NAME], 2, False),
    (["ui", "--url", f"http://{NAME}"], 2, False),
    (["ui"], 0, False),
    (["ready", "--url", f"http://{NAME}"], 2, False),
    (["doctor", "--db", FILE], 1, True),
    (["doctor", "--json", "--db", FILE], 1, False),
    (["token", "list"], 0, True),
    (["token", "list", "--quiet"], 0, True),
    (["token", "revoke", NAME + "?"], 1, True),
    (["rules", "check", "rules.toml"], 0, False),
    (["rules", "check", FILE], 2, False),
    (["rules", "try", "rules.toml", "--event", "event.json"], 0, True),
    (["rules", "try", "rules.toml", "--event", FILE], 1, False),
    (["rules", "apply", "--rules", "rules.toml"], 0, True),
    (["load", f"http://{NAME}", "--source", NAME], 2, False),
    (["load", "http://127.0.0.1:9", "--source", NAME, "--json", f"none/{FILE}"], 2, False),
    (["verify"], 1, False),
    (["migrate", FILE, "postgresql://127.0.0.1:9/none"], 1, True),
    (["migrate", FILE, f"postgresql://127.0.0.1:9/{NAME}"], 2, False),
    (["export", "--since", NAME], 2, False),
    (["export", "--output", f"none/{FILE}"], 1, False),
    (["import", "bad.jsonl"], 1, False),
    (["import", FILE], 1, False),
    (["backup", FILE], 1, False),
    (["restore", FILE], 1, False),
    (["retention", "confirm"], 0, False),
    (["config", "--db", FILE], 0, False),
    (["profile", "show", NAME], 0, False),
    (["profile", "export", NAME, "--output", FILE], 0, False),
    (["profile", "show", NAME + "?"], 1, True),
    (["profile", "erase", NAME], 0, True),
    ([NAME], 2, False),
    (["verify", NAME], 2, False),
    (["verify", f"--{NAME}"], 2, False),
]


def all_commands() -> Iterator[str]:
    for command in COMMANDS:
        loaded = command.load()
        if isinstance(loaded, TyperGroup):
            yield from (f"{command.name} {name}" for name in loaded.commands)
        else:
            yield str(command.name)


def test_each_command_has_a_line_here() -> None:
    tried = {" ".join(words[:length]) for words, _, _ in LINES for length in (1, 2)}
    assert set(all_commands()) - tried == set()


def test_no_command_writes_a_name_raw_or_takes_it_as_markup(trackd: Trackd, folder: Path) -> None:
    wrong = []
    for words, code, shows in LINES:
        done = trackd(*words, COLUMNS="1000")
        text = done.stdout + done.stderr
        raw = not text.replace("\n", "").isprintable() or "\nINFO" in text
        hidden = shows and SHOWN not in text.replace("[|b]", "[/b]")
        if raw or hidden or done.returncode != code or "Traceback" in text:
            wrong.append((words, done))
    assert wrong == []


def test_verify_shows_the_ids_of_faulty_rows_as_they_are(trackd: Trackd, folder: Path) -> None:
    done = trackd("verify", COLUMNS="1000")
    assert (done.returncode, done.stderr) == (1, "")
    faults = [line for line in done.stdout.split("\n") if "has seq 7" in line]
    assert faults
    assert all(SHOWN in line for line in faults)


def test_exports_of_data_have_the_exact_text(trackd: Trackd, folder: Path) -> None:
    exported = trackd("export", "--table", "profile", "--output", "profiles.jsonl")
    assert exported.returncode == 0
    lines = [json.loads(line) for line in (folder / "profiles.jsonl").read_text().split("\n") if line]
    assert [document["id"] for document in lines] == [NAME, "sound"]
