"""The files of the live page: its templates, and what browsers load: the stylesheet, the modules, the icon."""

import hashlib
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

TEMPLATES = Path(__file__).with_name("templates")
STATIC = Path(__file__).with_name("static")
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Asset(Struct, frozen=True):
    """A file that browsers load. `version` changes with its content."""

    content: bytes
    media_type: str
    version: str


@lru_cache(maxsize=64)
def asset(name: str) -> Asset | None:
    """The file with this name, kept in memory; None when there is none."""
    if name not in names():
        return None
    path = STATIC / name
    content = path.read_bytes()
    return Asset(content, MEDIA_TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:16])


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The names of all files that browsers load."""
    return frozenset(path.name for path in STATIC.iterdir() if path.suffix in MEDIA_TYPES)
