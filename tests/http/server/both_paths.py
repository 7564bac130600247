"""Each call on the fast path of one server and on the slow path of another, with all that is seen and stored of it."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from tests.http.server.track_requests import chunked, connection_to_server, post
from tests.support.raw_http import RawConnection
from trackd.core.documents import Source
from trackd.storage.memory import MemoryStore

MARK = b"\xef\xbb\xbf"  # with it pydantic's models parse the payload, not msgspec
MADE_ID = re.compile(r"01[0-9a-f]{6}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
PRESENT = re.compile(r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
SOURCES = (Source("s", "test", returns_profile=True),)


class Seen(NamedTuple):
    """A call's status and answer, and the new contents of the store, without ids that were made and present times."""

    status: int
    answer: str
    events: list[str]
    session: str
    profile: str


class Server:
    def __init__(self, store: MemoryStore, connection: RawConnection, *, fast: bool) -> None:
        self.store, self._connection, self._is_fast = store, connection, fast

    async def ask(self, body: bytes) -> Seen:
        events = len(self.store.events)
        answer = await self._connection.ask(post(body) if self._is_fast else chunked(MARK + body))
        if answer.status != 200:
            return Seen(answer.status, answer.body.decode(), [], "", "")
        ids: dict[str, Any] = answer.json()
        session = self.store.sessions.get(ids["session"]["id"])
        return Seen(
            answer.status,
            masked(answer.body.decode()),
            [masked(repr(event)) for event in self.store.events[events:]],
            masked(repr((session.context, session.properties))) if session else "",
            masked(repr(self.store.profiles[ids["profile"]["id"]].doc)),
        )


def masked(text: str) -> str:
    return PRESENT.sub("TIME", MADE_ID.sub("ID", text))


@contextlib.asynccontextmanager
async def both_paths() -> AsyncIterator[tuple[Server, Server]]:
    """Two servers, which have the source `s`: calls to the first take the fast path, if it can take them."""
    stores = MemoryStore(SOURCES), MemoryStore(SOURCES)
    async with connection_to_server(stores[0]) as fast, connection_to_server(stores[1]) as slow:
        yield Server(stores[0], fast, fast=True), Server(stores[1], slow, fast=False)
