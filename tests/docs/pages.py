"""The documents as tests read them: README, CONTRIBUTING, CHANGELOG and docs/."""

import os
import re
import subprocess
from pathlib import Path

from tests.support.forked_shell import forked_trackd

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
}


def page(name: str) -> str:
    """A page of docs/, without its ending: `rules`, `operating/settings`."""
    return PAGES[f"docs/{name}.md"]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def block(text: str, language: str, containing: str) -> str:
    """The first of these blocks with a text in it."""
    return next(found for found in blocks(text, language) if containing in found)


def run(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run the commands of a page in a folder, with a forked `trackd` on the path."""
    with forked_trackd() as programs:
        return run_with(programs, script, folder, 60)


def run_with(programs: Path, script: str, folder: Path, timeout_s: float) -> "subprocess.CompletedProcess[str]":
    """Run commands in a folder, with those of another folder on the path."""
    return subprocess.run(
        ["sh", "-eu"],
        input=script,
        cwd=folder,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
