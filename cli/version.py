"""The versions: of trackd, as the installed package says it, and of what it stands on."""

import platform
from importlib.metadata import version

VERSION = version("trackd")


def versions() -> dict[str, str]:
    import pysqlite3 as sqlite3  # most commands need no versions, and start faster without

    return {
        "version": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "thespian": version("thespian"),
    }
