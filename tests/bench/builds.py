"""The measured builds: this working tree, and with `--against REV` another commit, built from its own files."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.faults import BenchError
from tests.support.process import TRACKD

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Build:
    """A commit with its command. Other commits are driven by the command alone: their modules may lie elsewhere."""

    name: str
    trackd: Path
    root: Path = ROOT

    def run(self, *arguments: str | Path, check: bool = True) -> int:
        """Run the command to its end, and return the exit code. Raises BenchError with its output."""
        return _run(self.trackd, *arguments, check=check).returncode


HERE = Build("trackd", TRACKD)


def build(revision: str, folder: Path) -> Build:
    """A worktree of the commit in `folder`, with a virtual environment of its own; a later run uses it again."""
    commit = f"{revision}^{{commit}}"
    short = _run("git", "rev-parse", "--verify", "--short=12", commit, cwd=ROOT).stdout.strip()
    tree = folder.resolve() / short
    if not (tree / "Makefile").exists():
        _run("git", "worktree", "prune", cwd=ROOT)
        _run("git", "worktree", "add", "--detach", tree, short, cwd=ROOT)
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "VENV")}
    _run("make", ".venv/.ready", f"PYTHON={sys.executable}", cwd=tree, env=environment)
    return Build(f"trackd {revision}", tree / ".venv" / "bin" / "trackd", tree)


def _run(
    *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    ran = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if check and ran.returncode != 0:
        raise BenchError(f"`{' '.join(map(str, command))}` failed: {(ran.stderr or ran.stdout).strip()}")
    return ran
