"""Streams on descriptors that are closed, full, or not read any more."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from trackd.telemetry.standard_streams import StdoutError, drop_output, is_stdout_shown, prepare_standard_streams

prepare_standard_streams()
faults = []
for text in ("a\\n", "b" * 100_000):
    try:
        print(text)
        sys.stdout.flush()
    except StdoutError as error:
        faults.append(str(error))
        drop_output()
print("log", file=sys.stderr)
os.write(3, repr((faults, is_stdout_shown(), [os.get_inheritable(number) for number in range(3)])).encode())
"""


def run(redirections: str, *options: str) -> tuple[int, str, str]:
    """The exit code of the program, what it writes to descriptor 3, and its stdout and stderr together."""
    command = f'exec 4>&1; exec "$0" {" ".join(options)} -c "$1" 3>&2 >&4 2>&4 4>&- {redirections}'
    done = subprocess.run(["sh", "-c", command, sys.executable, PROGRAM], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr, done.stdout


@pytest.mark.parametrize("options", [(), ("-u",)])
@pytest.mark.parametrize(
    ("redirections", "faults", "is_shown", "output"),
    [
        ("", 0, True, "log"),
        (">/dev/null", 0, False, "log"),
        (">/dev/full", 2, True, "log"),
        (">&-", 2, False, "log"),
        ("<&-", 0, True, "log"),
        ("2>&-", 0, True, "a"),
        ("2>/dev/full", 0, True, "a"),
        (">&- 2>&- <&-", 2, False, ""),
    ],
)
def test_a_stdout_that_cannot_be_written_raises_one_error_and_a_stderr_none(
    options: tuple[str, ...], redirections: str, faults: int, is_shown: bool, output: str
) -> None:
    code, result, printed = run(redirections, *options)
    reason = "No space left on device" if "full" in redirections else "Bad file descriptor"
    assert result == repr(([f"stdout cannot be written: {reason}"] * faults, is_shown, [True] * 3))
    assert code == 0
    assert output in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("options", [(), ("-u",)])
def test_a_disk_that_is_full_within_a_line_is_reported(options: tuple[str, ...], tmp_path: Path) -> None:
    program = """
import resource, sys
from trackd.telemetry.standard_streams import prepare_standard_streams

prepare_standard_streams()
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
sys.stdout.buffer.write(b"a" * 10_001)
sys.stdout.flush()
"""
    with (tmp_path / "output").open("wb") as output:
        run = subprocess.run(
            [sys.executable, *options, "-c", program], stdout=output, stderr=subprocess.PIPE, text=True, check=False
        )
    assert "StdoutError: stdout cannot be written: File too large" in run.stderr
    assert (tmp_path / "output").stat().st_size == 10_000
