"""CSV and Parquet, read back with the csv module and pyarrow."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from trackd.storage.transfer import formats
from trackd.storage.transfer.formats import columns_of, write_csv, write_parquet
from trackd.storage.transfer.records import EventRecord, MergedRecord, ProfileRecord, SessionRecord

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
seqs = st.integers(0, 2**62)
rows = {
    ProfileRecord: st.tuples(texts, seqs, seqs, texts, st.none() | seqs),
    SessionRecord: st.tuples(*[texts] * 6),
    EventRecord: st.tuples(
        seqs, texts, texts, seqs, *[texts] * 6, st.none() | texts, *[texts] * 4, st.none() | texts, st.none() | seqs
    ),
}
tables = st.sampled_from(list(rows)).flatmap(lambda record: st.tuples(st.just(record), st.lists(rows[record])))


def picked(record: type[Any], row: tuple[Any, ...]) -> list[str]:
    return [value for column, value in zip(record.columns, row, strict=True) if column not in record.links]


def test_the_columns_are_those_of_the_table_but_for_the_links_between_events() -> None:
    assert columns_of(ProfileRecord) == ["id", "seq", "revision", "doc"]
    assert "previous" not in columns_of(EventRecord)
    assert columns_of(EventRecord)[:3] == ["id", "profile_id", "seq"]


@given(tables)
def test_csv_reads_back_equal_with_nulls_as_empty_text(table: tuple[Any, ...]) -> None:
    record, written = table
    output = io.BytesIO()

    write_csv(record, iter(written), output)

    names, *lines = csv.reader(io.StringIO(output.getvalue().decode(), newline=""))
    assert names == columns_of(record)
    assert lines == [["" if value is None else str(value) for value in picked(record, row)] for row in written]


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
    assert [list(row.values()) for row in read.to_pylist()] == [picked(record, row) for row in written]
    kinds = {field.name: str(field.type) for field in read.schema}
    assert kinds == {name: "int64" if name in ("seq", "revision") else "string" for name in columns_of(record)}


def test_large_rows_make_small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "GROUP_BYTES", 1_000)
    output = io.BytesIO()

    write_parquet(MergedRecord, iter([("x" * 400, "y")] * 10), output)

    assert parquet.ParquetFile(io.BytesIO(output.getvalue())).metadata.num_row_groups == 4
