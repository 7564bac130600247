"""The commands of the documents run as printed, and their examples hold."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from tests.docs.pages import README, ROOT, block, blocks, page, run
from tests.support.database import rows
from tests.support.forked_command import run_command
from tests.support.payloads import SOURCE_ID, payload
from tests.support.process import TRACKD, Process
from trackd.config.settings import Limits
from trackd.core.rules.ruleset import RuleSet
from trackd.http.rules_loading import load_rules
from trackd.storage.sqlite.store import SqliteStore

LOCAL = "http://127.0.0.1:8686"


def rules_of(toml: str, folder: Path) -> RuleSet:
    file = folder / "rules.toml"
    file.write_text(toml)
    return load_rules(str(file), Limits())


def test_the_curl_of_the_readme_works_as_printed(serve: Callable[..., Process]) -> None:
    server = serve(source=False)
    curl = block(README, "sh", "curl")
    script = curl.replace(LOCAL, server.url).replace(".venv/bin/trackd", f"{TRACKD}")
    answer = json.loads(subprocess.check_output(["sh", "-c", script], cwd=server.db.parent, stderr=subprocess.DEVNULL))
    assert answer["debugging"]["events"]["types"] == ["page-view"]
    for text in (blocks(README, "json")[0], block(page("sending-events"), "json", '"ux"')):
        printed = json.loads(re.sub(r"\s+", " ", text))
        assert printed.keys() == answer.keys()
        assert printed["debugging"].keys() == answer["debugging"].keys()


def test_the_commands_of_the_quickstart_run_in_their_order(serve: Callable[..., Process]) -> None:
    server = serve(source=False)
    folder = server.db.parent
    shutil.copytree(ROOT / "config", folder / "config")
    start, *commands = blocks(page("quickstart"), "sh")
    assert start.strip() == "make run"

    done = run("".join(commands).replace(LOCAL, server.url), folder)

    assert done.returncode == 0, done.stderr
    answer, session, profile, events = (json.loads(line) for line in done.stdout.replace("}{", "}\n{").splitlines()[:4])
    assert answer["debugging"]["events"]["seq"] == [1]
    assert answer["debugging"]["execution"]["sign-up"] == [
        {"rule": "contact data", "changed": ["pii.email", "pii.name"]},
        {"rule": "sign-up", "changed": ["traits.private.signed_up"]},
    ]
    assert session["profile"]["id"] == profile["id"] == answer["profile"]["id"]
    assert profile["pii"] == {"email": "ann@example.com", "name": "Ann"}
    assert [event["type"] for event in events["result"]] == ["sign-up"]
    assert '+      "revenue": 34.43' in done.stdout


@pytest.mark.slow
def test_the_commands_of_the_pages_can_be_run_again_after_each_other_and_in_states_that_they_lead_to(
    serve: Callable[..., Process],
) -> None:
    server = serve(source=False)
    folder = server.db.parent
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.copytree(ROOT / "tests" / "payloads", folder / "tests" / "payloads")
    readme = block(README, "sh", "curl").replace(".venv/bin/trackd", "trackd") + "echo"
    quickstart = "".join(blocks(page("quickstart"), "sh")[1:])
    walk = block(page("http-api"), "sh", "/export")
    tokens = block(page("sources-and-tokens"), "sh", "token new")
    first_is_disabled = "trackd source disable $(trackd source list --quiet | head -n 1)"

    def outputs() -> list[str]:
        scripts = [script.replace(LOCAL, server.url) for script in (readme, quickstart, walk, tokens)]
        runs = [run(script, folder) for script in scripts]
        assert [done.returncode for done in runs] == [0] * 4, [done.stderr for done in runs]
        assert ["Invalid event source" in done.stdout or "Not auth" in done.stdout for done in runs] == [False] * 4
        return [done.stdout for done in runs]

    rounds = [outputs(), outputs()]
    assert run(first_is_disabled, folder).returncode == 0
    rounds.append(outputs())
    server.stop(signal.SIGKILL)
    server = serve(source=False)
    rounds.append(outputs())

    for number, (at_readme, at_quickstart, at_walk, _) in enumerate(rounds, 1):
        answers = [json.loads(text.replace("}{", "}\n{").splitlines()[0]) for text in (at_readme, at_quickstart)]
        assert [answer["debugging"]["events"]["seq"] for answer in answers] == [[number], [number]]
        source, *documents = map(json.loads, at_walk.splitlines())
        assert ("exists" in source.get("detail", "")) == (number > 1)
        assert documents[0]["id"] == documents[1]["profile"]["id"]


def test_the_commands_on_sources_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    script = "\n".join(
        f"ID=$({line})" if line.startswith("trackd source add") else line.replace(" ID", " $ID")
        for line in block(page("sources-and-tokens"), "sh", "source add").strip().splitlines()
    )
    assert run(script, tmp_path).returncode == 0
    assert run_command(["source", "list"], tmp_path, os.environ).stdout == ""


def test_the_commands_on_tokens_run(serve: Callable[..., Process]) -> None:
    server = serve()
    script = block(page("sources-and-tokens"), "sh", "token new")
    done = run(script.replace(LOCAL, server.url), server.db.parent)
    assert done.returncode == 0
    assert f'"version":"{version("trackd")}"' in done.stdout
    names = run_command(["token", "list", "--quiet"], server.db.parent, os.environ).stdout
    assert names.splitlines() == ["first token", "operator"]


def test_the_commands_on_tokens_of_a_public_server_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    done = run(block(page("operating/public"), "sh", "token new"), tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("prometheus", "support", "dashboard"):
        assert (tmp_path / f"{name}.token").stat().st_mode & 0o777 == 0o600
        assert name in done.stdout


def test_the_commands_on_backups_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    done = run(block(page("operating/backup"), "sh", "trackd export"), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("all.jsonl", "events.parquet", "new.db", "copy.db"):
        assert (tmp_path / name).is_file()
    assert len(list((tmp_path / "copies").iterdir())) == 1


def test_the_cron_line_of_the_backups_runs(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    line = re.findall(r"^15 3 \* \* \*  (.+)$", page("operating/backup"), re.MULTILINE)[0]
    done = run(line.replace("/mnt/backup", ".").replace("/var/lib/trackd", "."), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"trackd/trackd-\d{8}T\d{6}Z\.db", done.stdout.strip())


def test_the_commands_on_restoring_and_moving_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    restore, move = blocks(page("operating/restore"), "sh")
    done = run(f"trackd backup copy.db\n{restore}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    kept = re.findall(r"kept as (trackd\.db\.before-\S+)", done.stdout)[0]
    assert (tmp_path / kept).is_file()
    back = re.findall(r"`(trackd restore trackd\.db\.before-\S+ --force)`", page("operating/restore"))[0]
    assert run(back.replace("trackd.db.before-20260131T120000Z", kept), tmp_path).returncode == 0
    assert run(move, tmp_path).returncode == 0
    assert (tmp_path / "new.db").is_file()


def test_the_commands_on_upgrading_and_going_back_run(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    copy, back = re.findall(r"```sh\n(.+?)```", page("operating/upgrade"), re.DOTALL)
    done = run(copy + back, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Restored trackd.db from before.db" in done.stdout


def test_the_audit_runs(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "trackd.db").close()
    assert run(blocks(page("operating/verify"), "sh")[0], tmp_path).returncode == 0


def test_the_load_test_runs(serve: Callable[..., Process]) -> None:
    server = serve()
    command = block(page("load-testing"), "sh", "trackd load")
    shorter = command.replace("--duration 60", "--calls 200").replace("--source ID", f"--source {SOURCE_ID}")
    done = run(f"TOKEN={server.token}\n" + shorter.replace(LOCAL, server.url), server.db.parent)
    assert done.returncode == 0, done.stderr
    assert "no violation" in done.stdout
    assert (server.db.parent / "run.html").is_file()


def test_the_walk_through_the_api_works_as_printed(serve: Callable[..., Process], tmp_path: Path) -> None:
    server = serve(source=False)
    shutil.copytree(ROOT / "tests" / "payloads", tmp_path / "tests" / "payloads")
    script = block(page("http-api"), "sh", "/export")
    done = run(script.replace(LOCAL, server.url), tmp_path)

    source, profile, session, events, erased, missing, new = map(json.loads, done.stdout.splitlines())

    assert done.returncode == 0
    assert source["name"] == "Shop"
    assert (profile["stats"]["views"], profile["id"]) == (1, session["profile"]["id"])
    assert [event["seq"] for event in events["result"]] == [2, 1]
    exported = json.loads((tmp_path / "profile.json").read_text())
    assert (exported["profile"], exported["sessions"], exported["events"]) == (profile, [session], events["result"])
    assert (erased, missing) == ({"id": profile["id"]}, None)
    assert new["profile"]["id"] != profile["id"]


def test_the_queries_run_while_the_server_runs(serve: Callable[..., Process]) -> None:
    server = serve()
    body = payload("s", *["page-view"] * 6)
    profile_id = httpx.post(f"{server.url}/track", json=body, timeout=30).json()["profile"]["id"]
    queries = blocks(page("operating/verify"), "sql")[0]
    days, viewers, walk = (query for query in queries.split(";\n") if query.strip())

    assert [(row["type"], row["events"]) for row in rows(server.db, days)] == [("page-view", 6)]
    assert [(row["id"], row["views"]) for row in rows(server.db, viewers)] == [(profile_id, 6)]
    assert [row["seq"] for row in rows(server.db, walk, profile_id)] == [6, 5, 4, 3, 2, 1]


def test_the_commands_on_rules_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    done = run(block(page("rules"), "sh", "rules try"), tmp_path)
    assert done.returncode == 0
    assert "rules.toml is sound" in done.stdout
    assert '+      "revenue": 34.43' in done.stdout


def test_the_rules_of_the_rules_page_are_valid(tmp_path: Path) -> None:
    rules = rules_of("\n".join(blocks(page("rules"), "toml")), tmp_path)
    assert [rule.name for rule in rules.plan("purchase-order").rules] == ["large purchase"]
    assert rules.segments.keys() == {"frequent-visitors", "customers"}
    assert rules.refuses_invalid("my-backend")


def test_the_rules_of_the_readme_are_valid(tmp_path: Path) -> None:
    rules = rules_of(blocks(README, "toml")[0], tmp_path)
    assert [rule.name for rule in rules.plan("purchase-order").rules] == ["purchase"]
    assert rules.segments.keys() == {"customers"}
