"""A start of `trackd serve` that cannot write: the writer process does not start, or the disk takes nothing."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.faulty_disk import FaultyDisk
from tests.support.process import TRACKD
from trackd.core.documents import Source
from trackd.storage.sqlite.sources import Sources

Sentence = Callable[[subprocess.CompletedProcess[str], int], str]

PROGRAM = """
import sys
from trackd.http import backends

sys.argv = ["trackd", "serve", "--port", "0", "--db", "trackd.db"]
backends.command = lambda *_: {command}
from trackd.cli.main import main

main()
"""


def test_a_disk_that_takes_no_writes_fails_the_start_with_one_sentence(sentence: Sentence, tmp_path: Path) -> None:
    """The file can be opened for writing, and only a commit fails."""
    with Sources(tmp_path / "trackd.db", create=True) as sources:
        sources.add(Source("source", "test"))
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "faults")
    disk.fail("log", "write", errno.ENOSPC, times=None)

    start = [str(TRACKD), "serve", "--port", "0", "--db", "trackd.db"]
    environment = os.environ | disk.environment
    ended = subprocess.run(start, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)

    assert sentence(ended, 1) == (
        "trackd.db cannot be written (database or disk is full): check that its disk has space and works, and that "
        "this user may write to the file and to those beside it."
    )
    assert "is ready at" not in ended.stdout


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
