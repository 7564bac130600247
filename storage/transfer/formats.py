"""Exports of one table as CSV and Parquet: all columns except those that chain events.

In CSV times and JSON are text as in the file. In Parquet times are timestamps with the zone UTC, and JSON is text of
the logical type JSON.
"""

import csv
import importlib.util
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, BinaryIO

from trackd.storage.errors import StoreError
from trackd.storage.transfer.records import Record, Row

WHOLE_NUMBERS = frozenset({"number", "seq", "revision"})
GROUP_ROWS, GROUP_BYTES = 20_000, 32 * 2**20


class FormatError(StoreError):
    """A format cannot be written, on this installation or with these rows. The message names the remedy."""


def columns_of(record: type[Record]) -> list[str]:
    """The names of the exported columns."""
    return [column for column in record.columns if column not in record.links]


def write_csv(record: type[Record], rows: Iterable[Row], output: BinaryIO) -> None:
    """Write rows as CSV with a header line; null becomes an empty field."""
    columns = columns_of(record)
    text = io.TextIOWrapper(output, encoding="utf-8", newline="", write_through=True)
    try:
        lines = csv.writer(text)  # lines end in CRLF: with another end a CR in a value would not be quoted
        lines.writerow(columns)
        lines.writerows(map(_selected(record), rows))
    finally:
        text.detach()


def check_parquet() -> None:
    """Raises FormatError when pyarrow, an extra of trackd, is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        binary = getattr(sys, "frozen", False)
        missing = "the binary has no pyarrow: install trackd" if binary else "pyarrow is not installed: install it"
        raise FormatError(
            f"For Parquet {missing} with `pip install 'trackd[parquet]'`, or choose --format csv or jsonl."
        )


def write_parquet(record: type[Record], rows: Iterable[Row], output: BinaryIO) -> None:
    """Write rows as Parquet, in row groups that are bounded in rows and bytes."""
    import pyarrow as arrow  # an extra, and heavy
    from pyarrow import parquet

    columns = columns_of(record)
    schema = arrow.schema([(column, _arrow_type(record, column)) for column in columns])
    with parquet.ParquetWriter(output, schema, compression="zstd") as writer:
        for group in _groups(map(_selected(record), rows)):
            writer.write_batch(_batch(record, schema, group))


def _batch(record: type[Record], schema: Any, rows: Sequence[Row]) -> Any:
    """Raises FormatError for a value that is not of its column's type: another tool may have written it."""
    import pyarrow as arrow

    columns = []
    for field, values in zip(schema, zip(*rows, strict=True), strict=True):
        try:
            columns.append(_arrow_column(record, field, values))
        except (TypeError, ValueError) as error:
            if len(rows) > 1:
                for row in rows:
                    _batch(record, schema, [row])
            raise FormatError(
                f"A row in {record.table()} is not as trackd writes them ({schema[0].name} {rows[0][0]!r}: "
                f"{field.name} is {values[0]!r:.100}): mend it first."
            ) from error
    return arrow.record_batch(columns, schema)


def _arrow_type(record: type[Record], column: str) -> Any:
    import pyarrow as arrow

    if column in WHOLE_NUMBERS:
        return arrow.int64()
    if column in record.times:
        return arrow.timestamp("us", "UTC")
    return arrow.json_() if column in record.json else arrow.string()


def _arrow_column(record: type[Record], field: Any, values: Sequence[Any]) -> Any:
    import pyarrow as arrow

    if field.name in record.times:
        return arrow.array(values, arrow.string()).cast(field.type)
    if field.name in record.json:
        return arrow.ExtensionArray.from_storage(field.type, arrow.array(values, arrow.string()))
    return arrow.array(values, field.type)


def _selected(record: type[Record]) -> Any:
    return itemgetter(*(record.columns.index(column) for column in columns_of(record)))


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(value) for value in row if isinstance(value, str))
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
