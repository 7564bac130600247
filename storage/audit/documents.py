"""Checks of each row: its types, its JSON, its times, and that the document in it has the shape of the contract.

A row that is as trackd writes it can be exported, and its export can be imported.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trackd.core.document_shapes import Count, Id, Object, Time
from trackd.core.jobs import JobState
from trackd.core.refusals import Fault
from trackd.storage.audit.check import AuditedFile, Check, Finding
from trackd.storage.audit.rows import ROWID, Table, Unreadable, read_rows
from trackd.storage.transfer.records import RECORDS, EventRecord, Record, line_of, record_of

Flag = Annotated[int, Meta(ge=0, le=1)]
OrNone = Annotated[str, Meta(pattern=r"^$|^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z(?!\n)$")]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class SourceRow(Struct, frozen=True):
    id: Id
    name: str
    description: str
    enabled: Flag
    consent: Flag
    returns_profile: Flag
    permanent_profile_id: Flag
    origins: list[str]
    rate_limit: float | None
    tags: list[str]
    inserted: OrNone
    updated: OrNone


class TokenRow(Struct, frozen=True):
    name: Id
    hash: Hash
    scopes: str
    inserted: Time
    expires: Time | None
    used: Time | None


class LoginRow(Struct, frozen=True):
    name: Id
    hash: Hash
    scopes: str
    inserted: Time
    expires: Time
    token_hash: Hash | None
    is_link: Flag


class JobRow(Struct, frozen=True):
    number: Count
    kind: Id
    arguments: Object
    state: JobState
    done: Count
    total: Count | None
    position: Object
    result: Object
    inserted: Time
    updated: Time


class HistoryRow(Struct, frozen=True):
    number: Count
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    begins_after: Count
    refusals_after: Count


class RetentionRow(Struct, frozen=True):
    id: Count
    stopped_after: Time | None
    confirmed: Time | None
    trusted: Time | None


class InstallationRow(Struct, frozen=True):
    id: Count
    number: int
    page: str


class PiiRow(Struct, frozen=True):
    name: str
    value: str
    profile_id: Id


class RefusalRow(Struct, frozen=True):
    number: Count
    time: Time
    status: int
    reason: Id
    source_id: str | None
    network: str | None
    event_type: str | None
    event_id: str | None
    profile_id: str | None
    session_id: str | None
    faults: list[Fault]
    body: str | None
    left_out: Count


JSON_COLUMNS = frozenset({"origins", "tags", "arguments", "position", "result", "faults"})
# Those that an export leaves out, each with the order of its rows and the columns that name one.
OTHER_TABLES = (
    ("source", SourceRow, ROWID, ("id",)),
    ("token", TokenRow, ROWID, ("name",)),
    ("login", LoginRow, ROWID, ("name",)),
    ("job", JobRow, ROWID, ("number",)),
    ("feed_history", HistoryRow, ROWID, ("number",)),
    ("retention", RetentionRow, ROWID, ("id",)),
    ("installation", InstallationRow, ROWID, ("id",)),
    ("pii", PiiRow, "name, value, profile_id", ("profile_id", "name")),
    ("refusal", RefusalRow, ROWID, ("number",)),
)
FAULTS = (TypeError, ValueError, AttributeError, LookupError, RecursionError)
MEND = (
    "mend the row with an SQLite tool while no server uses the file, or restore a backup: until then calls that need "
    "the row are refused"
)
EXPORTED = f"{MEND}, and `trackd export` too"


def document_checks() -> tuple[Check[AuditedFile], ...]:
    """A check for each table that has documents."""
    exported = [_check(_table_of(record), export_check(record), EXPORTED) for record in RECORDS]
    others = [
        _check(Table(name, shape.__struct_fields__, order, place), shape_check(shape), MEND)
        for name, shape, order, place in OTHER_TABLES
    ]
    return (*exported, *others)


def _check(table: Table, check: Callable[[Sequence[Any]], None], remedy: str) -> Check[AuditedFile]:
    def find(file: AuditedFile) -> Iterator[Finding]:
        for row in read_rows(file.db, table):
            if isinstance(row, Unreadable):
                yield row.place, row.fault
                continue
            try:
                check(row)
            except FAULTS as error:
                yield table.place_of(row), sentence(error)

    return Check(f"rows of {table.name}", f"each row of {table.name} is as trackd writes it", find, remedy)


def sentence(error: Exception) -> str:
    """The fault without a value in full: a document may be long."""
    text = str(error) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def _table_of(record: type[Record]) -> Table:
    place = ("number", "id") if record is EventRecord else ("hash",) if "hash" in record.columns else ("id",)
    return Table(record.table(), record.columns, record.order, place)


def export_check(record: type[Record]) -> Callable[[Sequence[Any]], None]:
    """Write the row as a line of an export, and read that line as an import does."""

    def check(row: Sequence[Any]) -> None:
        exported = record.of_row(row)
        imported = record_of(line_of(exported))  # its JSON is that of `exported`, which is checked
        if isinstance(imported, Record):
            imported.check()
        if imported != exported:
            raise ValueError("a column has another type than text or a whole number")

    return check


def shape_check(shape: type[Struct]) -> Callable[[Sequence[Any]], None]:
    columns = shape.__struct_fields__

    def check(row: Sequence[Any]) -> None:
        values = dict(zip(columns, row, strict=True))
        msgspec.convert(
            values | {name: msgspec.json.decode(values[name]) for name in JSON_COLUMNS & set(columns)}, shape
        )

    return check
