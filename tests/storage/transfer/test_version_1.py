"""Exports that an older trackd wrote, in version 1 of the format."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import execute
from tests.support.exports import contents, exported, import_lines
from trackd.storage.transfer.import_lines import NotImportedError
from trackd.storage.transfer.records import EventRecord

REASONS_COLUMN = EventRecord.columns.index("reasons")
REASONS = '["total is missing",  "é"]'


def in_version_1(line: bytes) -> bytes:
    record: dict[str, Any] = json.loads(line)
    if "version" in record:
        record["version"] = 1
    if record.get("table") == "session":
        del record["document"]["metadata"]["time"]["duration"]
    if record.get("table") == "event":
        del record["document"]["metadata"]["rules"]
        record["document"]["reasons"] = record["document"]["metadata"].pop("reasons") or None
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def lines(stored: Path) -> list[bytes]:
    """A whole export in version 1, with an event that is invalid."""
    execute(
        stored, "UPDATE event SET status = 'invalid', reasons = ? WHERE id = 'A-2'", json.dumps(json.loads(REASONS))
    )
    return [in_version_1(line) for line in exported(stored)]


def test_an_import_of_version_1_makes_the_rows_of_the_exported_file(
    tmp_path: Path, stored: Path, lines: list[bytes]
) -> None:
    import_lines(tmp_path / "new.db", lines)

    assert json.loads(lines[0])["version"] == 1
    imported = contents(tmp_path / "new.db")
    reasons = [row[REASONS_COLUMN] for row in imported["event"]]
    assert [None if text is None else json.loads(text) for text in reasons] == [
        None if row[REASONS_COLUMN] is None else json.loads(row[REASONS_COLUMN]) for row in contents(stored)["event"]
    ]
    assert sum(text is not None for text in reasons) == 1
    assert imported.keys() == contents(stored).keys()
    assert [exported(tmp_path / "new.db")[0], *map(in_version_1, exported(tmp_path / "new.db"))][1:] == lines


def test_json_of_version_1_is_imported_byte_for_byte(tmp_path: Path, lines: list[bytes]) -> None:
    spaced = [line.replace(b'"reasons":["total is missing","', b'"reasons":["total is missing",  "') for line in lines]
    assert spaced != lines

    import_lines(tmp_path / "new.db", spaced)

    assert REASONS in [row[REASONS_COLUMN] for row in contents(tmp_path / "new.db")["event"]]


def assert_refused(db: Path, lines: list[bytes], table: str, old: bytes, new: bytes, fault: str) -> None:
    """With the first line of the table changed, an import is refused with its number and the fault."""
    place = next(place for place, line in enumerate(lines) if b'"table":"%s"' % table.encode() in line)
    assert old in lines[place]

    with pytest.raises(NotImportedError) as refused:
        import_lines(db, [*lines[:place], lines[place].replace(old, new, 1), *lines[place + 1 :]])

    assert f"line {place + 1}: {fault}" in str(refused.value)
    assert not db.exists()


def test_a_line_with_json_escapes_in_its_keys_and_table_is_imported(tmp_path: Path, lines: list[bytes]) -> None:
    tables = {b'"table":"event"': b'"t\\u0061ble":"\\u0065vent"', b'"table":"session"': b'"table" : "s\\u0065ssion"'}
    escaped = lines
    for table, with_escapes in tables.items():
        assert any(table in line for line in lines)
        escaped = [line.replace(table, with_escapes) for line in escaped]

    import_lines(tmp_path / "escaped.db", escaped)
    import_lines(tmp_path / "plain.db", lines)

    assert contents(tmp_path / "escaped.db") == contents(tmp_path / "plain.db")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b'"reasons":null', b'"reason":null', "Object missing required field `reasons` - at `$.document`"),
        (b'"metadata":{', b'"metadatum":{', "Object missing required field `metadata` - at `$.document`"),
        (b'"metadata":{', b'"metadata":[],"more":{', "Expected `object`, got `array` - at `$.document.metadata`"),
        (b'"document":{', b'"document":7,"more":{', "Expected `object`, got `int` - at `$.document`"),
        (b'"time":{', b'"time":[],"more":{', "Expected `object`, got `array` - at `$.document.metadata.time`"),
        (b'"table":"event"', b'"table":7', "Expected `str`, got `int` - at `$.table`"),
        (b'"table":"event"', b'"table":"evil"', "Invalid value 'evil' - at `$.table`"),
        (b"{", b"[", "Expected `object`, got `array`"),
        (b'"reasons":null', b'"reasons":{}', "'{}' is not JSON of a list"),
        (b'"seq":', b'"seq":"', "it is not sound JSON"),
    ],
)
def test_a_damaged_line_of_version_1_is_named(
    tmp_path: Path, lines: list[bytes], old: bytes, new: bytes, fault: str
) -> None:
    assert_refused(tmp_path / "new.db", lines, "event", old, new, fault)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b'"metadata":{', b'"metadata":null,"more":{', "Expected `object`, got `null` - at `$.document.metadata`"),
        (b'"time":{', b'"time":"now","more":{', "Expected `object`, got `str` - at `$.document.metadata.time`"),
        (b'"time":{', b'"tim":{', "Object missing required field `time` - at `$.document.metadata`"),
    ],
)
def test_a_damaged_session_of_version_1_is_named(
    tmp_path: Path, lines: list[bytes], old: bytes, new: bytes, fault: str
) -> None:
    assert_refused(tmp_path / "new.db", lines, "session", old, new, fault)
