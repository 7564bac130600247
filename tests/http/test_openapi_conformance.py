"""schemathesis sends a real server requests that the description allows, and many that it does not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.payloads import SESSION_ID, SOURCE_ID
from tests.support.process import Process

HERE = Path(__file__).parent
CASES = 2_000
PAYLOAD = json.loads((HERE.parent / "payloads" / "full.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_server_and_description_agree_in_thousands_of_cases(serve: Callable[..., Process], tmp_path: Path) -> None:
    seen = conformance(serve(), tmp_path)
    assert seen["test_cases"]["generated"] >= CASES
    assert {phase for phase, result in seen["phases"].items() if result["status"] == "success"} == {
        "examples",
        "coverage",
        "fuzzing",
        "stateful",
    }
    answered = {name for name, rates in seen["valid_rates"].items() if any(rate["accepted"] for rate in rates.values())}
    assert answered == set(seen["valid_rates"]), "operations of which no call was ever answered 200"


def conformance(server: Process, tmp_path: Path) -> dict[str, Any]:
    """Run schemathesis to its end without a finding; returns its report."""
    payload = PAYLOAD | {"source": {"id": SOURCE_ID}, "session": {"id": SESSION_ID}}
    answer = httpx.post(f"{server.url}/track", json=payload, timeout=30)
    assert answer.status_code == 200
    profile_id = answer.json()["profile"]["id"]

    report = tmp_path / "report.json"
    command: list[str | Path] = [Path(sys.executable).with_name("schemathesis")]
    command += ["--config-file", HERE / "schemathesis.toml", "run", f"{server.url}/openapi.json", "--checks", "all"]
    run = subprocess.run(
        [*command, "--report", "json", "--report-json-path", report],
        cwd=HERE.parent.parent,
        env=os.environ | {"TRACKD_TOKEN": server.token, "PROFILE_ID": profile_id, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert server.stop() == 0
    seen: dict[str, Any] = json.loads(report.read_text())
    return seen
