"""A profile with all its sessions and events as one JSON document, in pieces of bounded size."""

from collections.abc import AsyncIterator

from trackd.storage.listings import Page, PageRequest, QueryPool

PAGE = 500  # documents
PAGE_BYTES = 1_048_576


async def profile_export(profile_id: str, document: bytes, lists: QueryPool, page: int = PAGE) -> AsyncIterator[bytes]:
    """`document` is that of the profile; the others are read `page` at a time.

    An empty piece comes before each page: the server asks for what follows when the client has read what was sent
    before. So no page is read for a client that does not read, and none is kept while the next one is read.
    """
    yield b'{"profile":' + document
    document = b""
    for name, read in ((b"sessions", "profile_sessions"), (b"events", "profile_events")):
        yield b',"%b":[' % name
        before = b""
        request: PageRequest | None = PageRequest(limit=page, max_bytes=PAGE_BYTES)
        while request is not None:
            yield b""
            found: Page | None = await lists.read(read, profile_id, request)
            if found is None:
                break
            request = None if found.next is None else PageRequest(found.next, page, PAGE_BYTES)
            if len(found.documents) > 2:
                yield before + found.documents[1:-1]  # without the brackets of the array
                before = b","
            found = None
        yield b"]"
    yield b"}"
