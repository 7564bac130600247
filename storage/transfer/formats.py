"""Exports of one table as CSV and Parquet: all columns except those that chain events; JSON stays text."""

import csv
import importlib.util
import io
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, BinaryIO

from trackd.storage.errors import StoreError
from trackd.storage.transfer.records import Record, Row

WHOLE_NUMBERS = frozenset({"seq", "revision"})
GROUP_ROWS, GROUP_BYTES = 20_000, 32 * 2**20


class FormatError(StoreError):
    """A format cannot be written on this installation. The message is a sentence that names the remedy."""


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
        raise FormatError(
            "Parquet needs pyarrow, which is not installed: install it with `pip install 'trackd[parquet]'`, "
            "or choose --format csv or jsonl."
        )


def write_parquet(record: type[Record], rows: Iterable[Row], output: BinaryIO) -> None:
    """Write rows as Parquet, in row groups that are bounded in rows and bytes."""
    import pyarrow as arrow  # an extra, and heavy
    from pyarrow import parquet

    columns = columns_of(record)
    types = [arrow.int64() if column in WHOLE_NUMBERS else arrow.string() for column in columns]
    schema = arrow.schema(list(zip(columns, types, strict=True)))
    with parquet.ParquetWriter(output, schema, compression="zstd") as writer:
        for group in _groups(map(_selected(record), rows)):
            values = [arrow.array(column, kind) for column, kind in zip(zip(*group, strict=True), types, strict=True)]
            writer.write_batch(arrow.record_batch(values, schema))


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
