"""The versions that `trackd --version` and `GET /info/version` report."""

import platform
from importlib.metadata import version

import pysqlite3 as sqlite3

from trackd.core.version import __version__


def versions() -> dict[str, str]:
    """The version of trackd as `version`, and those of Python, SQLite and Thespian by name."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "thespian": version("thespian"),
    }
