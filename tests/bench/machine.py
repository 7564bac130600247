"""The machine of a run: figures mean nothing without it."""

import platform
from pathlib import Path

import psutil

from trackd.telemetry.versions import versions

IN_MEMORY = {"tmpfs", "ramfs"}


def machine() -> dict[str, str | int]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count() or 0,
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "system": platform.platform(),
        **versions(),
    }


def has_hyperthreads() -> bool:
    threads, cores = psutil.cpu_count(), psutil.cpu_count(logical=False)
    return bool(threads and cores and threads > cores)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def file_system(folder: Path) -> str:
    """The kind of the file system that a folder lies on, such as `ext4`."""
    path = folder.resolve()
    mounts = {Path(part.mountpoint): part.fstype for part in psutil.disk_partitions(all=True)}
    return next((mounts[parent] for parent in (path, *path.parents) if parent in mounts), "unknown")
