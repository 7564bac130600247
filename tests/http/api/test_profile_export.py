"""The pieces of an export, and when it reads its pages."""

import json
from typing import Any

from trackd.http.api.profile_export import PAGE_BYTES, profile_export
from trackd.storage.listings import Page, PageRequest


class RecordingLists:
    """A `QueryPool` with three pages of each list, which notes its reads among the pieces of the export."""

    pid = None

    def __init__(self) -> None:
        self.steps: list[Any] = []

    async def read(self, name: str, *arguments: Any) -> Page:
        profile_id, request = arguments
        self.steps.append((name, profile_id, request))
        cursor = 3 if request.cursor is None else request.cursor
        return Page(
            b"[]" if cursor == 2 else b'["%b %d"]' % (name.encode(), cursor), cursor - 1 if cursor > 1 else None
        )

    async def close(self) -> None:
        """Nothing is open."""


async def test_an_empty_piece_comes_before_each_page_so_that_none_is_read_for_a_client_that_does_not_read() -> None:
    lists = RecordingLists()
    async for piece in profile_export("p", b"{}", lists, page=7):
        lists.steps.append(piece)

    reads = [step for step in lists.steps if isinstance(step, tuple)]
    pages = [PageRequest(cursor, 7, PAGE_BYTES) for cursor in (None, 2, 1)]
    assert reads == [(name, "p", page) for name in ("profile_sessions", "profile_events") for page in pages]
    assert all(lists.steps[lists.steps.index(read) - 1] == b"" for read in reads)
    exported = json.loads(b"".join(step for step in lists.steps if isinstance(step, bytes)))
    assert exported == {
        "profile": {},
        "sessions": ["profile_sessions 3", "profile_sessions 1"],
        "events": ["profile_events 3", "profile_events 1"],
    }
