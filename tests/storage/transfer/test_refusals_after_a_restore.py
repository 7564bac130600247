"""The position of a feed among refusals after a backup was restored."""

import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.support.refusals_in_feed import EVENTS, now, pages, put, shown
from tests.support.stores import SqliteBackend
from trackd.core.feed_cursor import Cursor
from trackd.storage.feed import History, begin_of
from trackd.storage.sqlite.connection import connect
from trackd.storage.sqlite.feed import begin_history
from trackd.storage.transfer.backup import back_up
from trackd.storage.transfer.restoring import restore

HISTORY = "0123456789abcdef"


def test_another_history_has_other_refusals_after_those_that_it_began_with(sqlite_backend: SqliteBackend) -> None:
    put(sqlite_backend, "r1", "r2")
    second = now(sqlite_backend)
    with contextlib.closing(connect(sqlite_backend.path, mode="rw")) as db:
        begin_history(db)
    lost = Cursor(second.history, 0, 9)
    put(sqlite_backend, "r3", "r4")

    assert shown(sqlite_backend, second) == shown(sqlite_backend, lost) == ["r3", "r4"]
    assert shown(sqlite_backend, Cursor(second.history, 0, 1)) == ["r2", "r3", "r4"]
    [page] = pages(sqlite_backend, lost, EVENTS)
    assert shown(sqlite_backend, page.cursor) == ["r3", "r4"]


def test_after_a_restore_each_refusal_is_shown_once_and_lost_ones_are_a_gap(tmp_path: Path) -> None:
    path, copy = tmp_path / "trackd.db", tmp_path / "copy.db"

    def put_in_file(*session_ids: str) -> Cursor:
        backend = SqliteBackend(path)
        put(backend, *session_ids)
        position = now(backend)
        backend.close()
        return position

    kept = put_in_file("r1", "r2")
    back_up(path, copy, replace=False, on_bytes=lambda done, total: None)
    lost = put_in_file("lost", "lost too")
    restore(copy, path, replace=True, on_bytes=lambda done, total: None)
    put_in_file("r3", "r4", "r5")

    backend = SqliteBackend(path)
    assert shown(backend, kept) == shown(backend, lost) == ["r3", "r4", "r5"]
    assert shown(backend) == ["r1", "r2", "r3", "r4", "r5"]
    backend.close()


@given(st.integers(0, 9), st.none() | st.integers(0, 9), st.lists(st.integers(0, 9), min_size=1, max_size=3))
def test_refusals_up_to_the_first_restore_behind_a_cursor_are_read(
    events: int, refusals: int | None, begins: list[int]
) -> None:
    histories = [History(HISTORY), *(History(f"{number}" * 16, 9, begin) for number, begin in enumerate(begins))]
    last = Cursor(histories[-1].id, 9, 99)

    begin, fault = begin_of(Cursor(HISTORY, events, refusals), histories, last, 0)

    assert fault is None
    assert begin == Cursor(last.history, events, None if refusals is None else min(refusals, *begins))
