"""Processor time and memory of a server's processes, its children included."""

import contextlib
from collections import Counter
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


def shared_mb(pids: Iterable[int]) -> float:
    """The memory that the sum of their resident memory counts more than once: pages of the same files.

    Taken off, pages count once however many other processes have them too; the kernel's own proportional share (PSS)
    would leave out most of Python as long as other Pythons run. 0 where the system does not report it (macOS).
    """
    if not hasattr(psutil.Process, "memory_maps"):
        return 0.0
    total, largest = 0, Counter[str]()
    for pid in pids:
        for mapped in psutil.Process(pid).memory_maps():
            shareable = mapped.rss - mapped.private_clean - mapped.private_dirty
            total += shareable
            largest[mapped.path] = max(largest[mapped.path], shareable)
    return (total - largest.total()) / 1e6
