"""Adopted children are waited for when they have ended, and the event loop's own are not."""

import subprocess
import sys

import pytest

PROGRAM = """
import os
from trackd.http.server.orphans import Orphans

os.getpid = lambda: {pid}
orphans = Orphans()
orphans.reap()
running = os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "600")
orphans.reap()
children = [os.spawnlp(os.P_NOWAIT, "true", "true") for _ in range(3)]
for child in children:
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def ended():
    left = []
    for child in children:
        try:
            left.append(os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT).si_pid)
        except ChildProcessError:
            pass
    return len(left)


left = [ended()]
for _ in range(4):
    orphans.reap()
    left.append(ended())
print(left, os.waitpid(running, os.WNOHANG))
os.kill(running, 9)
"""


@pytest.mark.parametrize(("pid", "left"), [(1, [3, 3, 2, 1, 0]), (2, [3, 3, 3, 3, 3])])
def test_the_first_process_waits_for_children_that_had_ended_at_the_call_before(pid: int, left: list[int]) -> None:
    shown = subprocess.check_output([sys.executable, "-c", PROGRAM.format(pid=pid)], text=True)
    assert shown == f"{left} (0, 0)\n"
