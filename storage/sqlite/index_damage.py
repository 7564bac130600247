"""Whether damage concerns indexes alone, which SQLite can build again from the rows."""

import re
from collections.abc import Iterable

from trackd.storage.sqlite.connection import Connection

OF_PAGES = "*** in database"  # how SQLite begins what it finds in the structure of a file, and not in a row
OF_INDEX = " index "  # in what SQLite finds in an index
TREE = re.compile(r"Tree (\d+) page (\d+)")  # the first page of the tree, and the damaged one
PAGE = re.compile(r".* on page (\d+)$")
ROOTS = "SELECT rootpage FROM sqlite_schema WHERE type = 'index'"


def is_of_indexes(connection: Connection, faults: Iterable[str]) -> bool:
    """Whether all of what a check has found is in indexes. `faults` are its rows, each of one line or more."""
    roots = {str(root) for (root,) in connection.execute(ROOTS)}
    lines = [line for fault in faults for line in fault.splitlines() if line and not line.startswith(OF_PAGES)]
    pages = roots | {found[2] for line in lines if (found := TREE.match(line)) and found[1] in roots}
    return bool(lines) and all(_is_of_index(line, roots, pages) for line in lines)


def _is_of_index(line: str, roots: set[str], pages: set[str]) -> bool:
    if tree := TREE.match(line):
        return tree[1] in roots
    if page := PAGE.match(line):
        return page[1] in pages
    return OF_INDEX in line
