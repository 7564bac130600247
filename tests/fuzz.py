"""`make fuzz`: the property tests again and again, each round with examples that no round before it drew.

make fuzz ARGS="--minutes 10"
make fuzz ARGS="--seed 7 tests/core"     begins with this seed, in this folder alone

A round is one run of pytest with a seed of its own. A failure is shrunk by Hypothesis, and printed with the command
that draws the same examples again.
"""

import argparse
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
EACH_TEST_S = 900  # shrinking takes time
GRACE_S = 30.0  # for pytest to print what it found so far
NO_TESTS = 5  # pytest's exit code


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="*", default=["tests"], help="files or folders with tests  [default: tests]")
    parser.add_argument("--minutes", type=float, default=10.0, help="[default: 10]")
    parser.add_argument("--rounds", type=int, help="at most  [default: as many as there is time for]")
    parser.add_argument("--seed", type=int, help="of the first round; the next have the numbers after it")
    return parser.parse_args(arguments)


def command(seed: int, selected: Sequence[str], workers: Sequence[str] = ()) -> list[str]:
    """Pytest for one round: the same seed draws the same examples for a test, whichever tests run with it."""
    hypothesis = ["--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}"]
    return ["-m", "pytest", "-m", "hypothesis", *hypothesis, f"--timeout={EACH_TEST_S}", *workers, *selected]


def failures(output: str) -> list[str]:
    """The ids of the tests that failed, in the order in which pytest printed them."""
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)


def play(seed: int, paths: Sequence[str], seconds: float) -> tuple[int, str]:
    """One round, of at most these seconds: pytest's exit code and what it printed."""
    workers = ["--quiet", "--numprocesses=auto", "--dist=worksteal"]
    process = subprocess.Popen(
        [sys.executable, *command(seed, paths, workers)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            output, _ = process.communicate(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        return 0, output
    return process.returncode, output


def main(arguments: Sequence[str]) -> int:
    parsed = options(arguments)
    seed: int = random.randrange(2**31) if parsed.seed is None else parsed.seed
    ends = time.monotonic() + 60 * parsed.minutes
    found: set[str] = set()
    rounds = 0
    while (left := ends - time.monotonic()) > 0 and rounds != parsed.rounds:
        print(f"round {rounds + 1}: seed {seed}, {left / 60:.1f} minutes left", flush=True)
        code, output = play(seed, parsed.paths, left)
        failed = failures(output)
        if failed or code not in (0, NO_TESTS):
            print(output)
        for test in failed:
            print(f"\n{test} failed. To replay it:\n  .venv/bin/python {' '.join(command(seed, [test]))}\n", flush=True)
        found |= set(failed)
        if code == NO_TESTS or (code and not failed):  # nothing to fuzz, or pytest did not run
            return code
        seed += 1
        rounds += 1
    print(f"{rounds} rounds, {len(found)} tests failed" + "".join(f"\n  {test}" for test in sorted(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
