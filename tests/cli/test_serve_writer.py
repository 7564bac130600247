"""A start of `trackd serve` whose writer process does not start."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Sentence = Callable[[subprocess.CompletedProcess[str], int], str]

PROGRAM = """
import sys
from trackd.http import assembly

sys.argv = ["trackd", "serve", "--port", "0", "--db", "trackd.db"]
assembly.command = lambda *_: {command}
from trackd.cli.main import main

main()
"""


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["false"], "the writer process ended with exit code 1 before it was ready"),
        (["/nowhere/python"], "the writer process does not start: [Errno 2] No such file or directory"),
    ],
)
def test_a_writer_that_does_not_start_fails_the_start_with_one_sentence(
    command: list[str], reason: str, sentence: Sentence, tmp_path: Path
) -> None:
    program = [sys.executable, "-c", PROGRAM.format(command=command)]
    ended = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert sentence(ended, 1) == f"The server cannot start: {reason}."
    assert "is ready at" not in ended.stdout
