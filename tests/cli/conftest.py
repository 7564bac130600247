"""Fixtures for the tests of `cli/`, which run commands as a user does."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.feed_answers import Answers
from tests.support.forked_command import run_command

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def trackd(tmp_path: Path) -> Callable[..., Result]:
    """Runs `trackd` to its end in an empty folder, with `environment` and little else in its environment."""

    def run(*arguments: str | bytes | Path, **environment: str) -> Result:
        return run_command(arguments, tmp_path, {"PATH": os.environ["PATH"], "COLUMNS": "200", **environment})

    return run


@pytest.fixture
def sentence() -> Callable[..., str]:
    """The error of a failed command: the one sentence on stderr, apart from log lines."""

    def read(result: Result, code: int) -> str:
        lines = [line for line in result.stderr.splitlines() if not line.startswith("{")]
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("trackd: ")
        assert lines[0].endswith(".")
        assert result.returncode == code
        assert result.stdout == ""
        return lines[0].removeprefix("trackd: ")

    return read


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file into the folder of the command: TOML as text, JSON as a value."""

    def make(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return make


@pytest.fixture
def server() -> Iterator[Answers]:
    answers = Answers()
    yield answers
    answers.ended.set()
    answers.shutdown()
    answers.server_close()
