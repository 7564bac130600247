"""trackd as the first process of a container: of a namespace of processes, which any user may make on most systems."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.polling import wait_until
from tests.support.process import TRACKD, catches

NAMESPACE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
Run = Callable[[str], tuple[subprocess.Popen[str], int]]


def has_namespaces() -> bool:
    try:
        return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not has_namespaces(), reason="this user may make no namespaces")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs a script of the shell as the first process of a namespace; returns the process, and the first one's pid."""
    running: list[subprocess.Popen[str]] = []

    def start(script: str) -> tuple[subprocess.Popen[str], int]:
        pipe = subprocess.PIPE
        command = [*NAMESPACE, "sh", "-c", script.replace("trackd", str(TRACKD), 1)]
        process = subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        [pid] = wait_until(lambda: children(process.pid), "the first process exists")
        return process, pid

    yield start
    for process in running:
        process.kill()
        process.communicate()


def is_python(pid: int) -> bool:
    return b"python" in Path(f"/proc/{pid}/exe").resolve().name.encode()


def test_a_first_process_that_is_stopped_during_its_start_ends(run: Run) -> None:
    process, pid = run("exec trackd serve --port 0")
    wait_until(lambda: is_python(pid) and catches(pid, signal.SIGTERM), "signals are handled")
    os.kill(pid, signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in log) == (0, False), log


def test_a_command_that_is_the_first_process_is_ended_by_a_signal(run: Run, tmp_path: Path) -> None:
    process, pid = run("exec trackd import - --db new.db")
    wait_until(lambda: is_python(pid) and catches(pid, signal.SIGTERM), "signals are handled")
    os.kill(pid, signal.SIGTERM)
    process.wait(30)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.glob("*.db")) == []


def test_a_server_that_is_the_first_process_waits_for_orphans_that_have_ended(run: Run) -> None:
    process, pid = run("for i in 1 2 3 4 5; do (true &); done; exec trackd serve --port 0")
    assert process.stdout is not None
    assert any("is ready at" in line for line in iter(process.stdout.readline, ""))
    wait_until(lambda: len(children(pid)) == 1, "the writer process is the only child")
    os.kill(pid, signal.SIGTERM)
    _, log = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in log) == (0, False), log
