"""A profile with all its sessions and events as one JSON document, in pieces of bounded size."""

from collections.abc import AsyncIterator

from trackd.storage.listings import PageRequest, QueryPool

PAGE = 500  # documents


async def profile_export(profile_id: str, document: bytes, lists: QueryPool, page: int = PAGE) -> AsyncIterator[bytes]:
    """`document` is that of the profile; the others are read `page` at a time."""
    yield b'{"profile":' + document
    for name, read in (("sessions", "profile_sessions"), ("events", "profile_events")):
        yield f',"{name}":['.encode()
        before = b""
        async for documents in _pages(lists, read, profile_id, page):
            yield before + documents
            before = b","
        yield b"]"
    yield b"}"


async def _pages(lists: QueryPool, name: str, profile_id: str, limit: int) -> AsyncIterator[bytes]:
    """The documents of each page, without the brackets of the array; empty pages are skipped."""
    request = PageRequest(limit=limit)
    while page := await lists.read(name, profile_id, request):
        if len(page.documents) > 2:
            yield page.documents[1:-1]
        if page.next is None:
            return
        request = PageRequest(page.next, limit)
