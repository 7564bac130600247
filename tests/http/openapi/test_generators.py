"""Generators of clients run on the API description; their clients send calls to a real server."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.payloads import SOURCE_ID
from tests.support.process import Process
from tests.support.serving import application_routes
from trackd.http.openapi.description import operations_of
from trackd.http.openapi.operations import OPERATIONS

CLIENTS = Path(__file__).parents[2] / "generators"
INSTALLED = Path(sys.prefix) / "generators"  # `make test-all` installs them there
EXPECTED = {
    "saved": [2, 0],
    "seq": [1, 2],
    "last": ["page-view"],
    "absent": [404, None],
    "refused": "Invalid event source `nobody`.",
}

pytestmark = pytest.mark.slow


def requires(tool: str) -> pytest.MarkDecorator:
    """Skip a test where the generators could not be installed; on CI it fails."""
    missing = not (INSTALLED / tool).exists() and "CI" not in os.environ
    return pytest.mark.skipif(missing, reason=f"{tool} is not installed: `make test-all` does it, with npm")


def run(command: Sequence[str | Path], folder: Path) -> str:
    environment = os.environ | {"PATH": f"{INSTALLED / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def describe(server: Process, folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_bytes(httpx.get(f"{server.url}/openapi.json", timeout=30).content)
    return path


@requires("bin/openapi-python-client")
def test_a_python_client_has_all_operations_and_its_calls_are_answered(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    server = serve()
    generate: list[str | Path] = ["openapi-python-client", "generate", "--fail-on-warning"]
    generate += ["--path", describe(server, tmp_path)]

    run([*generate, "--output-path", "trackd_client", "--meta", "none"], tmp_path)

    made = {path.stem for path in tmp_path.glob("trackd_client/api/*/*.py")} - {"__init__"}
    assert made == {OPERATIONS[method, path].name for method, path, _ in operations_of(application_routes())}
    seen = run(["python", CLIENTS / "python_client.py", server.url, SOURCE_ID, server.token], tmp_path)
    assert json.loads(seen) == EXPECTED | {"added": "by Python"}


@requires("node_modules/.bin/tsc")
def test_a_typescript_client_is_sound_typescript_and_its_calls_are_answered(
    serve: Callable[..., Process], tmp_path: Path
) -> None:
    server = serve()
    (tmp_path / "node_modules").symlink_to(INSTALLED / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(CLIENTS / "typescript_client.ts", tmp_path)
    tools = INSTALLED / "node_modules" / ".bin"

    run([tools / "openapi-typescript", describe(server, tmp_path), "--output", "schema.ts"], tmp_path)
    options = ["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext", "--skipLibCheck"]
    run([tools / "tsc", *options, "typescript_client.ts"], tmp_path)

    seen: dict[str, Any] = json.loads(
        run(["node", "typescript_client.js", server.url, SOURCE_ID, server.token], tmp_path)
    )
    assert seen == EXPECTED | {"added": "by TypeScript"}
