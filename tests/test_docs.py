"""The documents name everything that is there, and what they say to run runs."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.support import SOURCE_ID, TRACKD, Process, application_routes, payload, rows
from trackd.cli.rules_loading import load_rules
from trackd.config.load import load
from trackd.config.settings import Limits
from trackd.core.rules.conditions import VARIABLES
from trackd.core.rules.operations import OPERATIONS
from trackd.core.rules.step_compiling import TARGETS
from trackd.http.errors import STATUS
from trackd.http.openapi.description import operations_of
from trackd.storage.sqlite.store import SqliteStore

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("setting", list(load().each()), ids=lambda setting: setting.name)
def test_the_readme_names_every_setting_with_its_default(setting: object) -> None:
    name, value = setting.name, setting.value  # type: ignore[attr-defined]
    assert f"| `{name}` | `{value}` |" in README


def test_the_readme_names_every_route() -> None:
    for path in re.findall(r'Route\("(/[^"]+)"', (ROOT / "http" / "app.py").read_text()):
        assert f"{path.replace(':path', '')}`" in README, path


def test_the_readme_says_which_scope_each_endpoint_needs() -> None:
    said = {
        endpoint: scope
        for endpoints, scope in re.findall(r"^\| (`(?:GET|POST|PUT|DELETE) /.+?) \| (read|admin|none) \|", README, re.M)
        for endpoint in re.findall("`(.+?)`", endpoints)
    }
    open_to_all = {"POST /track", "GET /healthcheck", "GET /ready"}  # as the section on tokens says
    needed = {f"{method} {path}": str(needs or "none") for method, path, needs in operations_of(application_routes())}
    assert said == {endpoint: scope for endpoint, scope in needed.items() if endpoint not in open_to_all}


@pytest.mark.parametrize("status", sorted({*STATUS.values(), 400, 404, 405, 413, 415, 422, 500}))
def test_the_readme_explains_every_status(status: int) -> None:
    table = README[README.index("### Errors") :]
    assert re.search(rf"^\| [\d, ]*{status}", table, re.MULTILINE)


@pytest.mark.parametrize("module", sorted((ROOT / "actors").glob("**/*.py")), ids=lambda path: path.name)
def test_each_module_says_what_it_is(module: Path) -> None:
    assert module.read_text().startswith('"""')


def test_the_two_commands_stand_at_the_top_of_the_readme() -> None:
    first_block = README.split("```")[1]
    assert [line.split("#")[0].strip() for line in first_block.splitlines()[1:]] == ["make run", "make test"]


def test_the_curl_of_the_readme_works_as_printed(serve: Callable[..., Process]) -> None:
    server = serve(source=False)
    curl = next(block for block in _blocks("sh") if block.lstrip().startswith("curl"))
    script = curl.replace("http://127.0.0.1:8686", server.url).replace(".venv/bin/trackd", f"{TRACKD}")
    answer = json.loads(subprocess.check_output(["sh", "-c", script], cwd=server.db.parent, stderr=subprocess.DEVNULL))
    assert answer["debugging"]["events"]["types"] == ["page-view"]
    printed = json.loads(re.sub(r"\s+", " ", README.split("```json")[1].split("```")[0]))
    assert printed.keys() == answer.keys()
    assert printed["debugging"].keys() == answer["debugging"].keys()


def test_the_source_commands_of_the_readme_run(tmp_path: Path) -> None:
    block = next(block for block in _blocks("sh") if "source add" in block)
    script = "\n".join(
        f"ID=$({line})" if line.startswith("trackd source add") else line.replace(" ID", " $ID")
        for line in block.strip().splitlines()
    )
    assert _run(script, tmp_path).returncode == 0
    assert subprocess.check_output([TRACKD, "source", "list"], cwd=tmp_path) == b""


def test_the_token_commands_of_the_readme_run(serve: Callable[..., Process]) -> None:
    server = serve()
    script = next(block for block in _blocks("sh") if "token new" in block)
    run = _run(script.replace("http://127.0.0.1:8686", server.url), server.db.parent)
    assert run.returncode == 0
    assert f'"version":"{version("trackd")}"' in run.stdout
    names = subprocess.check_output([TRACKD, "token", "list", "--quiet"], cwd=server.db.parent, text=True)
    assert names.splitlines() == ["first token", "operator"]


def test_the_export_commands_of_the_readme_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    run = _run(next(block for block in _blocks("sh") if "trackd export" in block), tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    for name in ("all.jsonl", "events.parquet", "new.db", "copy.db"):
        assert (tmp_path / name).is_file()


def test_the_load_test_of_the_readme_runs(serve: Callable[..., Process]) -> None:
    server = serve()
    block = next(block for block in _blocks("sh") if "trackd load" in block)
    shorter = block.replace("--duration 60", "--calls 200").replace("--source ID", f"--source {SOURCE_ID}")
    run = _run(f"TOKEN={server.token}\n" + shorter.replace("http://127.0.0.1:8686", server.url), server.db.parent)
    assert run.returncode == 0, run.stderr
    assert "no violation" in run.stdout
    assert (server.db.parent / "run.html").is_file()


def test_the_readme_names_every_option_of_the_load_test() -> None:
    section = README[README.index("## Load testing") : README.index("## Export, import, backup")]
    usage = subprocess.check_output([TRACKD, "load", "--help"], text=True)
    options = set(re.findall(r"^  (--[a-z-]+)", usage, re.MULTILINE)) - {"--help"}
    assert {"--source", "--first-calls", "--history"} <= options
    assert [option for option in sorted(options) if f"`{option}`" not in section and f"{option} " not in section] == []


def test_the_walk_through_the_endpoints_works_as_printed(serve: Callable[..., Process], tmp_path: Path) -> None:
    server = serve(source=False)
    shutil.copytree(ROOT / "tests" / "payloads", tmp_path / "tests" / "payloads")
    block = next(block for block in _blocks("sh") if "/export" in block)
    run = _run(f"TOKEN={server.token}\n" + block.replace("http://127.0.0.1:8686", server.url), tmp_path)

    source, profile, session, events, erased, gone, again = map(json.loads, run.stdout.splitlines())

    assert run.returncode == 0
    assert source["name"] == "Shop"
    assert (profile["stats"]["views"], profile["id"]) == (1, session["profile"]["id"])
    assert [event["seq"] for event in events["result"]] == [2, 1]
    exported = json.loads((tmp_path / "profile.json").read_text())
    assert (exported["profile"], exported["sessions"], exported["events"]) == (profile, [session], events["result"])
    assert (erased, gone) == ({"id": profile["id"]}, None)
    assert again["profile"]["id"] != profile["id"]


def test_the_queries_of_the_readme_run_beside_the_server(serve: Callable[..., Process]) -> None:
    server = serve()
    body = payload("s", *["page-view"] * 6)
    profile_id = httpx.post(f"{server.url}/track", json=body).json()["profile"]["id"]
    days, lookers, walk = (query for query in _blocks("sql")[0].split(";\n") if query.strip())

    assert [(row["type"], row["events"]) for row in rows(server.db, days)] == [("page-view", 6)]
    assert [(row["id"], row["views"]) for row in rows(server.db, lookers)] == [(profile_id, 6)]
    assert [row["seq"] for row in rows(server.db, walk, profile_id)] == [6, 5, 4, 3, 2, 1]


def test_the_rules_commands_of_the_readme_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    run = _run(next(block for block in _blocks("sh") if "rules try" in block), tmp_path)
    assert run.returncode == 0
    assert "rules.toml is sound" in run.stdout
    assert '+      "revenue": 34.43' in run.stdout


def test_the_rules_in_the_readme_are_sound(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("\n".join(_blocks("toml")))
    rules = load_rules(str(file), Limits())
    assert [rule.name for rule in rules.plan("purchase-order").rules] == ["large purchase"]
    assert rules.segment_ids == {"frequent-visitors", "customers"}
    assert rules.refuses_invalid("my-backend")


@pytest.mark.parametrize("name", [*VARIABLES, *OPERATIONS, *TARGETS.values()])
def test_the_readme_names_all_that_rules_can_say(name: str) -> None:
    rules = README[README.index("## Rules") : README.index("## Sources")]
    assert name.removesuffix(".*").removeprefix("event.").removeprefix("profile.").split(".", 1)[-1] in rules


def _blocks(language: str) -> list[str]:
    return [block.split("```")[0] for block in README.split(f"```{language}\n")[1:]]


def _run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what the README says to type, in a folder, with `trackd` on the path."""
    path = f"{TRACKD.parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    return subprocess.run(
        ["sh", "-eu"], input=script, cwd=folder, env=environment, text=True, capture_output=True, check=False
    )
