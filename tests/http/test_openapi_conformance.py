"""schemathesis sends a real server requests that the description allows, and many that it does not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.http.schemathesis_hooks import SESSION_ID
from tests.support.payloads import SOURCE_ID
from tests.support.process import Process

HERE = Path(__file__).parent
PAYLOAD = json.loads((HERE.parent / "payloads" / "full.json").read_text())


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("examples", "cases"), [(5, 500), pytest.param(100, 2_000, marks=pytest.mark.slow)])
def test_server_and_description_agree(serve: Callable[..., Process], tmp_path: Path, examples: int, cases: int) -> None:
    """`examples` is the number for each operation, `cases` that of all requests, which is at least reached."""
    server = serve()
    payload = PAYLOAD | {"source": {"id": SOURCE_ID}, "session": {"id": SESSION_ID}}
    assert httpx.post(f"{server.url}/track", json=payload).status_code == 200

    report = tmp_path / "report.json"
    command = [
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"{server.url}/openapi.json",
        "--checks",
        "all",
        "-n",
        str(examples),
    ]
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *command,
            "--report",
            "json",
            "--report-json-path",
            str(report),
        ],
        cwd=HERE.parent.parent,
        env=os.environ | {"TRACKD_TOKEN": server.token, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    seen = json.loads(report.read_text())
    assert seen["test_cases"]["generated"] >= cases
    assert {phase for phase, result in seen["phases"].items() if result["status"] == "success"} == {
        "coverage",
        "fuzzing",
        "stateful",
    }
    answered = {name for name, rates in seen["valid_rates"].items() if any(rate["accepted"] for rate in rates.values())}
    assert answered == set(seen["valid_rates"]), "operations of which no call was ever answered 200"
    assert server.stop() == 0
