import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.payloads import SOURCE_ID
from tests.support.process import TRACKD, Process

FEW = ["--calls", "200", "--clients", "8", "--profiles", "10"]


@pytest.fixture
def server(serve: Callable[..., Process]) -> Process:
    return serve()


def test_a_server_that_keeps_its_promises_ends_with_exit_code_0(
    trackd: Callable[..., subprocess.CompletedProcess[str]], server: Process, tmp_path: Path
) -> None:
    files = ["--json", "run.json", "--report", "run.html", "--history", "run.jsonl"]
    run = trackd("load", server.url, "--source", SOURCE_ID, *FEW, *files, TRACKD_TOKEN=server.token)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "no violation" in run.stdout
    assert "not checked" not in run.stdout
    assert server.token not in run.stdout
    assert json.loads((tmp_path / "run.json").read_text())["verdict"]["read_back"] == "done"
    assert (tmp_path / "run.html").read_text().startswith("<!DOCTYPE html>")
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files[1::2]} == {0o600}
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert sum(len(line["value"]["events"]) for line in lines if line.get("f") == "read") == 600


def test_without_a_token_the_verdict_has_no_read_back(
    trackd: Callable[..., subprocess.CompletedProcess[str]], server: Process
) -> None:
    run = trackd("load", server.url, "--source", SOURCE_ID, *FEW)
    assert run.returncode == 0
    assert "not checked: no token was given" in run.stdout


def test_a_broken_promise_ends_with_exit_code_1_and_the_shortest_history(
    trackd: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    raw = ["-m", "tests.load.raw_server", "0", "doubled"]
    with subprocess.Popen([sys.executable, *raw], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run = trackd("load", process.stdout.readline().strip(), "--source", "any", *FEW)
        process.kill()

    assert run.returncode == 1
    assert "Shortest offending history" in run.stdout
    assert '"seq": [1, 2, 3]' in run.stdout


def test_answers_of_a_hostile_server_are_shown_as_plain_text(
    trackd: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    raw = ["-m", "tests.load.raw_server", "0", "hostile"]
    with subprocess.Popen([sys.executable, *raw], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run = trackd("load", process.stdout.readline().strip(), "--source", "any", *FEW)
        process.kill()

    assert run.returncode == 1
    assert "[/b]" in run.stdout
    assert (run.stdout + run.stderr).replace("\n", "").isprintable()
    assert "Traceback" not in run.stderr


def test_ctrl_c_ends_the_load_and_the_answers_until_then_are_judged(server: Process) -> None:
    command = [TRACKD, "load", server.url, "--source", SOURCE_ID, "--duration", "600"]
    environment = os.environ | {"COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        counted = {"Authorization": f"Bearer {server.token}"}
        while httpx.get(f"{server.url}/event/count", headers=counted, timeout=30).json()["count"] < 100:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "no violation" in out


def test_a_load_test_that_cannot_begin_fails_with_a_sentence_and_exit_code_2(
    trackd: Callable[..., subprocess.CompletedProcess[str]], sentence: Callable[..., str], server: Process
) -> None:
    source = ["--source", SOURCE_ID]

    assert "start one with `trackd serve`" in sentence(trackd("load", "http://127.0.0.1:1", *source), 2)
    assert "does not accept the source 'none'" in sentence(trackd("load", server.url, "--source", "none"), 2)
    assert "is no address of a server" in sentence(trackd("load", "localhost:8686", *source), 2)
    assert "give the address at which trackd serves" in sentence(trackd("load", server.url + "/else", *source), 2)
    assert "/ui/track is answered 405: give the" in sentence(trackd("load", server.url + "/ui", *source), 2)
    assert "http:// may be meant" in sentence(trackd("load", server.url.replace("http", "https"), *source), 2)
    assert "token is not valid" in sentence(trackd("load", server.url, *source, "--token", "wrong"), 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--hot", "101"),
        ("--retries", "-1"),
        ("--first-calls", "many"),
        ("--clients", "0"),
        ("--duration", "0"),
        ("--calls", "0"),
        ("--profiles", "0"),
        ("--sessions-per-profile", "0"),
        ("--events-per-call", "1001"),
        ("--rate", "0"),
        ("--rate", "nan"),
        ("--seed", "x"),
        ("--token", "a b"),
        ("--report", "/nowhere/run.html"),
    ],
)
def test_a_wrong_value_names_its_option(
    trackd: Callable[..., subprocess.CompletedProcess[str]], option: str, value: str
) -> None:
    run = trackd("load", "http://127.0.0.1:1", "--source", "any", option, value)
    assert run.returncode == 2
    assert f"Invalid value for '{option}'" in run.stderr


def test_version_loads_no_module_that_only_the_load_test_needs() -> None:
    loaded = subprocess.check_output(
        [TRACKD.with_name("python"), "-c", "import sys, trackd.cli.main; print(*sys.modules)"], text=True
    ).split()
    assert {"uvloop", "pygal", "ddsketch", "trackd.load.run"}.isdisjoint(loaded)


def test_the_variable_with_the_token_is_no_unknown_setting(
    trackd: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert trackd("config", TRACKD_TOKEN="any").returncode == 0
