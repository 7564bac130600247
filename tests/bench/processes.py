"""What the processes of a server use, its children included."""

import contextlib
from collections.abc import Iterable, Iterator

import psutil


def tree(roots: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            yield from (root, *root.children(recursive=True))


def cpu_s(roots: Iterable[int]) -> float:
    """User and system time so far, in seconds; that of children that have ended too."""
    total = 0.0
    for process in tree(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def rss_mb(pid: int) -> float:
    """Resident memory of one process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6
