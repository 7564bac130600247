"""The rows that an import makes of an export; a damaged export leaves nothing behind."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import execute
from tests.support.exports import contents, exported, import_lines
from tests.support.making import Make
from trackd.core.documents import tombstone
from trackd.storage.sqlite.connection import DatabaseError
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.transfer import import_lines as import_lines_module
from trackd.storage.transfer.import_lines import NotImportedError
from trackd.storage.transfer.importing import import_export


def number_of_a_new_event(path: Path, make: type[Make]) -> int:
    """Store another event, and read its number."""
    store = SqliteStore(path)
    store.commit([make.change("new", events=1)])
    store.close()
    number: int = contents(path)["event"][-1][0]
    return number


def test_the_numbers_that_exported_events_had_are_not_used_again(
    tmp_path: Path, stored: Path, make: type[Make]
) -> None:
    execute(stored, "DELETE FROM event")
    import_lines(tmp_path / "once.db", exported(stored))
    import_lines(tmp_path / "twice.db", exported(tmp_path / "once.db"))

    assert [number_of_a_new_event(tmp_path / name, make) for name in ("once.db", "twice.db")] == [8, 8]


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_imported(tmp_path: Path, stored: Path) -> None:
    lines = exported(stored)
    import_lines(tmp_path / "other.db", lines)
    import_lines(tmp_path / "new.db", [b"\xef\xbb\xbf", *[line.replace(b"\n", b"\r\n") for line in lines]])

    assert contents(tmp_path / "new.db") == contents(tmp_path / "other.db")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_file_in_utf_16_is_refused_with_the_remedy(tmp_path: Path, stored: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    content = f"{mark}{b''.join(exported(stored)).decode()}".encode(encoding)
    with pytest.raises(NotImportedError, match=r"line 1: the file is UTF-16, .*: export with --output\.$"):
        import_lines(tmp_path / "new.db", [content])


def test_a_file_without_the_last_number_uses_none_again_that_a_profile_names(
    tmp_path: Path, stored: Path, make: type[Make]
) -> None:
    execute(stored, "DELETE FROM event")
    lines = edited(exported(stored), 0, last_number=...)

    import_lines(tmp_path / "new.db", lines)

    assert number_of_a_new_event(tmp_path / "new.db", make) == 6 + 2  # one was erased, its erasure has the last one


def test_an_import_into_a_file_that_has_rows_keeps_them_and_numbers_its_events_after_them(
    tmp_path: Path, stored: Path, make: type[Make]
) -> None:
    path = tmp_path / "other.db"
    store = SqliteStore(path)
    store.commit([make.change("X", events=4, session="SX")])
    store.close()
    before = contents(path)

    import_lines(path, exported(stored))

    after, imported = contents(path), contents(stored)
    assert after["event"][:4] == before["event"]
    assert [row[0] for row in after["event"]] == list(range(1, 10))
    assert number_of_a_new_event(path, make) == 12  # 10 was of an event that is erased, 11 is of its erasure
    assert [row[1:-2] for row in after["event"][4:]] == [row[1:-2] for row in imported["event"]]
    assert [row[-1] for row in after["event"][4:]] == [None, 5, None, 7, 6]  # `previous`, moved with the numbers
    assert [(row[0], row[-1]) for row in after["profile"]] == [("X", 4), ("A", 9), ("B", 8)]


def test_an_imported_profile_continues_where_it_was(tmp_path: Path, stored: Path, make: type[Make]) -> None:
    path = tmp_path / "new.db"
    import_lines(path, exported(stored))
    store = SqliteStore(path)

    profile = store.profile("A")
    assert profile is not None
    store.commit([make.change("A", (profile.seq, profile.revision), events=1)])

    assert [row[1] for row in contents(path)["event"] if row[2] == "A"] == ["A-1", "A-2", "A-3", "A-4"]
    assert store.known_events("A", ["A-1"]) == {"A-1": 1}
    store.close()


def edited(lines: list[bytes], place: int, **changes: Any) -> list[bytes]:
    """The lines with values changed in one of them; `a__b` is a path, ... removes."""
    record = json.loads(lines[place])
    for path, value in changes.items():
        *parents, key = path.split("__")
        inner = record
        for parent in parents:
            inner = inner[parent]
        if value is ...:
            del inner[key]
        else:
            inner[key] = value
    return [*lines[:place], json.dumps(record).encode() + b"\n", *lines[place + 1 :]]


def raw(lines: list[bytes], place: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[place]
    return [*lines[:place], lines[place].replace(old, new), *lines[place + 1 :]]


# The lines of `stored`: header 0, profiles 1 and 2, sessions 3 and 4, event id 5, tombstone 6, events 7 to 11, end 12.
FAULTS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "empty": (lambda it: [], "line 1: this is not a file that `trackd export` wrote wi"),
    "text": (lambda it: [b"hello\n"], "line 1: this is not a file that `trackd export` wrote"),
    "binary": (lambda it: [bytes(range(256)) * 40], "line 1: this is not a file that `trackd export` wrote"),
    "a table alone": (lambda it: [b'{"id": "A-1", "seq": 1}\n'], "line 1: this is not a file that `trackd"),
    "nested": (lambda it: [b"[" * 100_000], "line 1: this is not a file that `trackd export` wrote"),
    "last number": (lambda it: edited(it, 0, last_number=-1), "line 1: this is not a file that `trackd export` w"),
    "newer": (lambda it: edited(it, 0, version=4), "line 1: it has version 4 of the format, this trackd r"),
    "cut off in a line": (lambda it: [*it[:8], it[8][:50]], "line 9: the file ends within the line: it was cut off"),
    "cut off after a line": (lambda it: it[:9], "line 9: the file ends here, without its last line: it"),
    "only a header": (lambda it: it[:1], "line 1: the file ends here, without its last line"),
    "a line less": (lambda it: [*it[:6], *it[7:]], "line 12: it counts 2 profile, 0 merged, 2"),
    "a line more": (lambda it: [*it, it[-1]], "line 14: something follows the last line"),
    "not JSON": (lambda it: raw(it, 8, b"}", b"]"), "line 9: it is not sound JSON (JSON is malformed"),
    "not a number": (lambda it: raw(it, 8, b'"config":{}', b'"config":{"a":NaN}'), "line 9: it is not sound JSON"),
    "lone surrogate": (lambda it: raw(it, 8, b'"config":{}', b'"config":{"a":"\\ud800"}'), "line 9: it is not so"),
    "no UTF-8": (lambda it: raw(it, 8, b'"config":{}', b'"config":{"a":"\xff"}'), "line 9: 'utf-8' codec can't decode"),
    "too deep": (lambda it: raw(it, 8, b"{}", b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"), "line 9: recursion limit"),
    "deeper still": (lambda it: raw(it, 8, b"{}", b"[" * 100_000), "line 9: it is not sound JSON (maximum recursion"),
    "a list": (lambda it: edited(it, 8, document__context=[]), "line 9: '[]' is not JSON of an object"),
    "an object": (lambda it: edited(it, 8, document__tags={}), "line 9: '{}' is not JSON of a list"),
    "other table": (lambda it: edited(it, 8, table="evil"), "line 9: Invalid value 'evil' - at `$.table`"),
    "missing": (lambda it: edited(it, 8, document__seq=...), "line 9: Object missing required field `seq` - at `$.d"),
    "unknown": (lambda it: edited(it, 8, document__what=1), "line 9: Object contains unknown field `what`"),
    "wrong type": (lambda it: edited(it, 8, document__id=7), "line 9: Expected `str`, got `int` - at `$.document.id"),
    "too large": (lambda it: edited(it, 8, document__seq=2**63), "line 9: Expected `int` <= "),
    "bad time": (lambda it: edited(it, 8, document__metadata__time__create="today"), "line 9: Expected `str` matching"),
    "bad status": (lambda it: edited(it, 8, document__metadata__status="new"), "line 9: Invalid enum value 'new'"),
    "no seq": (lambda it: edited(it, 8, document__seq=0), "line 9: an event has a profile and a `seq` from 1 on"),
    "seq leaps": (lambda it: edited(it, 8, document__seq=3), "line 9: event 'A-2' has seq 3 and does not follow the"),
    "chain": (lambda it: edited(it, 11, previous=1), "line 12: event 'A-3' has seq 3 and does not follow the"),
    "no order": (lambda it: [*it[:7], it[8], it[7], *it[9:]], "line 9: event 'A-1' has number 1, after 2"),
    "backwards": (lambda it: edited(it, 8, previous=2), "line 9: `previous` is not before `number`"),
    "seq ends": (
        lambda it: edited(it, 1, document__seq=9),
        "line 12: the last event of profile 'A' has seq 3, the ",
    ),
    "last event": (lambda it: edited(it, 1, last_event=2), "line 12: the last event of profile 'A' has seq 3"),
    "no profile": (lambda it: edited(it, 1, document__id="Z"), "line 8: event 'A-1' belongs to profile 'A', which"),
    "event twice": (lambda it: edited(it, 8, document__id="A-1"), "line 9: event 'A-1' exists already"),
    "profile twice": (lambda it: edited(it, 2, document__id="A"), "line 3: the table profile has a row 'A' already"),
    "session twice": (lambda it: edited(it, 4, document__id="SA"), "line 5: the table session has a row 'SA' already"),
    "sections": (lambda it: [*it[:1], it[3], it[1], *it[4:]], "line 3: a record of profile stands after those of ses"),
    "profile": (lambda it: edited(it, 2, document__stats=...), "line 3: Object missing required field `stats`"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), FAULTS.values(), ids=FAULTS)
def test_a_damaged_file_is_refused_with_line_and_fault_and_nothing_of_it_is_kept(
    tmp_path: Path, stored: Path, make: type[Make], damage: Callable[[list[bytes]], list[bytes]], message: str
) -> None:
    lines = damage(exported(stored))
    other = tmp_path / "other.db"
    store = SqliteStore(other)
    store.commit([make.change("X", events=1, session="SX")])
    store.close()
    before = contents(other)

    for path in (tmp_path / "new.db", other):
        with pytest.raises(NotImportedError) as refused:
            import_lines(path, lines)
        assert str(refused.value).startswith(f"export.jsonl is not imported, {message}")
        assert str(refused.value).endswith(".")

    assert contents(other) == before
    assert [path.name for path in tmp_path.glob("new.db*")] == ["new.db-lock"]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_fault_is_found_wherever_batches_end(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(import_lines_module, "BATCH_ROWS", size)
    for name in ("seq leaps", "chain", "event twice", "no profile", "profile twice"):
        damage, message = FAULTS[name]
        with pytest.raises(NotImportedError) as refused:
            import_lines(tmp_path / "new.db", damage(exported(stored)))
        assert message in str(refused.value)
    import_lines(tmp_path / "new.db", exported(stored))
    assert contents(tmp_path / "new.db") == contents(stored)


def test_a_line_that_does_not_end_is_not_read_into_memory(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_lines_module, "MAX_LINE_BYTES", 1_000)
    lines = exported(stored)
    with pytest.raises(NotImportedError, match=r"line 9: it is longer than 1000 bytes\."):
        import_lines(tmp_path / "new.db", [*lines[:8], b" " * 2_000])


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ("profile", "line 2: the table profile has a row 'A' already"),
        ("session", "line 4: the table session has a row 'SA' already"),
        ("event_id", "line 6: the table event_id has a row 'A-1' already"),
        ("event", "line 8: event 'A-1' exists already"),
    ],
)
def test_a_row_that_exists_is_refused_with_line_and_id(tmp_path: Path, stored: Path, keep: str, message: str) -> None:
    lines = exported(stored)
    for table in {"profile", "session", "event_id", "event"} - {keep}:
        execute(stored, f"DELETE FROM {table}")
    before = contents(stored)

    with pytest.raises(NotImportedError) as refused:
        import_lines(stored, lines)

    assert str(refused.value) == f"export.jsonl is not imported, {message}."
    assert contents(stored) == before


def test_an_erased_profile_does_not_come_back_with_an_older_export(tmp_path: Path, stored: Path) -> None:
    lines = exported(stored)
    store = SqliteStore(tmp_path / "new.db")
    store.close()
    execute(
        tmp_path / "new.db", "INSERT INTO erased VALUES (?, ?, NULL)", tombstone("B"), "2026-02-01T12:00:00.000000Z"
    )

    with pytest.raises(NotImportedError, match=r"line 3: profile 'B' was erased in this database\."):
        import_lines(tmp_path / "new.db", lines)


def test_a_file_that_a_server_holds_is_refused(tmp_path: Path, stored: Path) -> None:
    lines = exported(stored)
    with DatabaseLock(tmp_path / "new.db"), pytest.raises(DatabaseError, match="in use by another trackd"):
        import_lines(tmp_path / "new.db", lines)


def test_an_import_reports_how_many_bytes_it_has_read(tmp_path: Path, make: type[Make]) -> None:
    path = tmp_path / "old.db"
    store = SqliteStore(path)
    store.commit([make.change(profile_id, events=500) for profile_id in "ABCDE"])
    store.close()
    lines = exported(path)
    reported: list[int] = []

    import_export(tmp_path / "new.db", io.BytesIO(b"".join(lines)), "x", reported.append)

    assert reported == sorted(reported)
    assert len(reported) > 2
    assert reported[-1] <= sum(map(len, lines))


def test_an_erasure_keeps_its_place_among_the_events(tmp_path: Path, stored: Path) -> None:
    import_lines(tmp_path / "new.db", exported(stored))

    [(_, _, number)] = contents(tmp_path / "new.db")["erased"]
    assert [(number, contents(path)["erased"]) for path in (stored, tmp_path / "new.db")] == [
        (7, contents(stored)["erased"])
    ] * 2


def test_a_tombstone_with_the_number_of_an_event_is_refused(tmp_path: Path, stored: Path) -> None:
    execute(stored, "UPDATE erased SET number = 2")

    with pytest.raises(NotImportedError, match="a tombstone has the number 2, as event 'A-2'"):
        import_lines(tmp_path / "new.db", exported(stored))


def test_an_export_of_version_2_has_tombstones_without_numbers(tmp_path: Path, stored: Path) -> None:
    execute(stored, "UPDATE erased SET number = NULL")
    lines = [line.replace(b',"number":null}', b"}") for line in edited(exported(stored), 0, version=2)]

    import_lines(tmp_path / "new.db", lines)

    assert contents(tmp_path / "new.db")["erased"] == contents(stored)["erased"]
