"""The versions that `trackd --version` and `GET /info/version` report."""

import platform
from importlib.metadata import version

import apsw

from trackd.core.version import __version__


def versions() -> dict[str, str]:
    """The version of trackd as `version`, and those of Python, SQLite and Thespian by name."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "thespian": version("thespian"),
    }
