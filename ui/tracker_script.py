"""The tracker script: `tracker.js`, as it is sent to browsers."""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

SOURCE = Path(__file__).with_name("tracker.js")


class TrackerScript(Struct, frozen=True):
    """The script as text in UTF-8, and compressed with gzip. `version` changes with its content."""

    plain: bytes
    compressed: bytes
    version: str


@lru_cache(maxsize=1)
def tracker_script() -> TrackerScript:
    """Read once, and kept in memory."""
    plain = in_one_line(SOURCE.read_text("utf-8")).encode()
    return TrackerScript(plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:16])


def in_one_line(source: str) -> str:
    """The script without comments, which have lines of their own, and without breaks of lines and indentation.

    It must have no text of several lines, and end each statement with a semicolon or brace.
    """
    lines = (line.strip() for line in source.splitlines())
    return "".join(line for line in lines if not line.startswith("//"))
