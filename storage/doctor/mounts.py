"""The file system that a path lies on: its kind, from what, and with which options."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from trackd.storage.sqlite.database_file import mount_number

MOUNTINFO = Path("/proc/self/mountinfo")
ESCAPED = re.compile(r"\\([0-7]{3})")
OF_BSD = re.compile(r"(?P<source>.*?) on (?P<point>/.*) \((?P<options>[^()]*)\)")
MOUNT_TIMEOUT_S = 5


class Mount(Struct, frozen=True):
    number: int
    """On Linux; 0 elsewhere."""
    point: str
    kind: str
    """As the system names it, such as `ext4`, `nfs4` or `fuse.sshfs`."""
    source: str
    options: frozenset[str]
    root: str = "/"
    """The folder of the file system that is mounted, on Linux."""


def mount_of(path: Path) -> Mount | None:
    """The mount of an existing path, None when the system does not name it. Raises OSError."""
    mounts = list(_mounts())
    number = mount_number(path) if sys.platform == "linux" else 0
    named = [mount for mount in mounts if number and mount.number == number]
    return named[-1] if named else deepest(mounts, path.resolve())


def deepest(mounts: list[Mount], path: Path) -> Mount | None:
    """The mount with the longest path above `path`; of several at one place the last one hides the others."""
    above = [mount for mount in mounts if path.is_relative_to(mount.point)]
    longest = max((len(Path(mount.point).parts) for mount in above), default=0)
    return next((mount for mount in reversed(above) if len(Path(mount.point).parts) == longest), None)


def _mounts() -> Iterator[Mount]:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "linux":
            yield from of_linux(MOUNTINFO.read_text(errors="replace"))
        else:
            listed = subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, timeout=MOUNT_TIMEOUT_S, check=True
            )
            yield from of_bsd(listed.stdout)


def of_linux(mountinfo: str) -> Iterator[Mount]:
    """The mounts of /proc/self/mountinfo."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, described = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(described) < 3:
            continue
        options = {*fields[5].split(","), *described[2].split(",")}
        if {"ro", "rw"} <= options:  # one of them is of the file system, the other one of this mount of it
            options.discard("rw")
        yield Mount(
            int(fields[0]),
            _unescaped(fields[4]),
            described[0],
            _unescaped(described[1]),
            frozenset(options - {""}),
            _unescaped(fields[3]),
        )


def of_bsd(listed: str) -> Iterator[Mount]:
    """The mounts of `mount` on macOS and BSD: `/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled)`."""
    for line in listed.splitlines():
        if found := OF_BSD.fullmatch(line):
            kind, *options = found["options"].split(", ")
            options = ["ro" if option == "read-only" else option for option in options]
            yield Mount(0, found["point"], kind, found["source"], frozenset(options))


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
