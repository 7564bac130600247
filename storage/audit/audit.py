"""The audit of a database file, for `trackd verify`: all checks, on one snapshot, also while a server runs on it."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from msgspec import Struct

from trackd.storage.audit.check import AuditedFile, Check, Finding
from trackd.storage.audit.documents import document_checks
from trackd.storage.audit.pages import PAGES, log_check
from trackd.storage.audit.promises import COUNTERS, PROMISES, add_functions
from trackd.storage.audit.tables import COUNTS, TABLES
from trackd.storage.sqlite.connection import SQLITE_ERRORS
from trackd.storage.sqlite.read_only_file import ReadOnlyFile

MAX_SHOWN = 100  # findings of each check; further ones are only counted


class Findings(Struct, frozen=True):
    """The result of a check: the number of faults, and the first MAX_SHOWN."""

    check: Check[Any]
    number: int
    first: tuple[Finding, ...]


def checks(*, rules_change_counters: bool, synchronous: str = "FULL") -> tuple[Check[AuditedFile], ...]:
    """All checks, without that of the counters when the rules change counters.

    `synchronous` is the setting of the server, see `log_check`.
    """
    of_counters = () if rules_change_counters else (COUNTERS,)
    return (PAGES, log_check(synchronous), TABLES, COUNTS, *document_checks(), *PROMISES, *of_counters)


def audit(path: Path, which: Iterable[Check[AuditedFile]]) -> Iterator[Findings]:
    """Run the checks on a file, and yield the findings of each. Raises DatabaseError when it cannot be opened."""
    with ReadOnlyFile(path, damaged_log=True) as opened, opened.errors():
        file = AuditedFile(path, opened.connection)
        add_functions(file)
        file.db.execute("BEGIN")
        for check in which:
            yield findings_of(check, _found(check, file))


def _found(check: Check[AuditedFile], file: AuditedFile) -> Iterator[Finding]:
    """What the check finds. A fault of the file that ends it is one of the findings."""
    try:
        yield from check.find(file)
    except SQLITE_ERRORS as error:
        yield "", f"the check stopped here: {error}"


def findings_of(check: Check[Any], found: Iterator[Finding]) -> Findings:
    first = tuple(islice(found, MAX_SHOWN))
    return Findings(check, len(first) + sum(1 for _ in found), first)
