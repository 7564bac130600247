"""CSV and Parquet, read back with the csv module and pyarrow."""

import csv
import io
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.making import NOW
from trackd.core.documents import timestamp
from trackd.core.encoding import json_text
from trackd.storage.transfer import formats
from trackd.storage.transfer.formats import FormatError, columns_of, write_csv, write_parquet
from trackd.storage.transfer.records import EventRecord, MergedRecord, ProfileRecord, SessionRecord

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
seqs = st.integers(0, 2**62)
times = st.datetimes().map(timestamp)
jsons = st.dictionaries(texts, texts, max_size=2).map(json_text)
rows = {
    ProfileRecord: st.tuples(texts, seqs, seqs, jsons, st.none() | seqs),
    SessionRecord: st.tuples(texts, texts, times, times, jsons, jsons),
    EventRecord: st.tuples(
        *(seqs, texts, texts, seqs, texts, texts, texts, times, times, texts, st.none() | texts),
        *(jsons, jsons, jsons, jsons, st.none() | jsons, st.none() | jsons, st.none() | seqs),
    ),
}
tables = st.sampled_from(list(rows)).flatmap(lambda record: st.tuples(st.just(record), st.lists(rows[record])))


def picked(record: type[Any], row: tuple[Any, ...]) -> dict[str, Any]:
    return {column: value for column, value in zip(record.columns, row, strict=True) if column not in record.links}


def in_parquet(record: type[Any], row: tuple[Any, ...]) -> dict[str, Any]:
    values = picked(record, row)
    return values | {column: datetime.fromisoformat(values[column]) for column in record.times}


def kind(record: type[Any], column: str) -> str:
    if column in ("number", "seq", "revision"):
        return "int64"
    if column in ("created", "inserted", "updated"):
        return "timestamp[us, tz=UTC]"
    is_json = column in ("doc", "properties", "context", "config", "tags", "reasons", "rules")
    return "extension<arrow.json>" if is_json else "string"


def test_the_columns_are_those_of_the_table_but_for_the_links_between_events() -> None:
    assert columns_of(ProfileRecord) == ["id", "seq", "revision", "doc"]
    assert "previous" not in columns_of(EventRecord)
    assert columns_of(EventRecord)[:3] == ["number", "id", "profile_id"]


@given(tables)
def test_csv_reads_back_equal_with_nulls_as_empty_text(table: tuple[Any, ...]) -> None:
    record, written = table
    output = io.BytesIO()

    write_csv(record, iter(written), output)

    names, *lines = csv.reader(io.StringIO(output.getvalue().decode(), newline=""))
    assert names == columns_of(record)
    assert lines == [["" if value is None else str(value) for value in picked(record, row).values()] for row in written]


@given(tables, st.integers(1, 4))
def test_parquet_reads_back_equal_whatever_its_row_groups(table: tuple[Any, ...], group: int) -> None:
    record, written = table
    output = io.BytesIO()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "GROUP_ROWS", group)
        write_parquet(record, iter(written), output)

    file = parquet.ParquetFile(io.BytesIO(output.getvalue()))
    assert file.metadata.num_row_groups == -(-len(written) // group)
    read = file.read()
    assert read.column_names == columns_of(record)
    assert read.to_pylist() == [in_parquet(record, row) for row in written]
    assert {field.name: str(field.type) for field in read.schema} == {
        name: kind(record, name) for name in columns_of(record)
    }


EVENT = (5, "e", "p", 1, "s", "source", "t", NOW, NOW, "collected", None, "{}", "{}", "{}", "[]", None, None)


def test_parquet_has_the_logical_types_of_times_and_json() -> None:
    output = io.BytesIO()

    write_parquet(EventRecord, iter([EVENT]), output)

    schema = parquet.ParquetFile(io.BytesIO(output.getvalue())).schema
    kinds = {column.name: str(column.logical_type) for column in map(schema.column, range(len(schema.names)))}
    assert kinds["properties"] == kinds["reasons"] == "JSON"
    assert kinds["created"].startswith("Timestamp(isAdjustedToUTC=true, timeUnit=microseconds")


@pytest.mark.parametrize("fault", ["2026-01-31 12:00:00", "today", "2026-02-30T12:00:00.000000Z", b"\xff"])
def test_a_row_whose_time_is_none_is_named(fault: Any) -> None:
    damaged = (*EVENT[:7], fault, *EVENT[8:])

    with pytest.raises(FormatError, match=r"A row in event is not as trackd .*\(number 6: created is .*\): mend it"):
        write_parquet(EventRecord, iter([EVENT, (6, *damaged[1:])]), io.BytesIO())


def test_large_rows_make_small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "GROUP_BYTES", 1_000)
    output = io.BytesIO()

    write_parquet(MergedRecord, iter([("x" * 400, "y")] * 10), output)

    assert parquet.ParquetFile(io.BytesIO(output.getvalue())).metadata.num_row_groups == 4
