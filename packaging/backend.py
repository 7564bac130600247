"""The build backend: that of setuptools, with archives whose bytes follow from the sources alone.

pyproject.toml names it. setuptools writes the time of each file, its owner and the time of the build into an sdist, and
packs what an earlier build left in `build/lib` into a wheel. Here the times are those of SOURCE_DATE_EPOCH.
"""

import gzip
import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  the other hooks are those of setuptools

DEFAULT_EPOCH = "1767225600"  # 2026-01-01
os.environ.setdefault("SOURCE_DATE_EPOCH", DEFAULT_EPOCH)


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    shutil.rmtree("build/lib", ignore_errors=True)
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    name = str(build_meta.build_sdist(sdist_directory, config_settings))
    normalize(Path(sdist_directory, name))
    return name


def normalize(sdist: Path) -> None:
    """Write the archive again: sorted, of no owner, with the modes that a fresh clone has, at one time."""
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    packed = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    sdist.write_bytes(gzip.compress(packed.getvalue(), mtime=epoch))
