"""The stores on which the tests of the contract run, with what these read of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.support.postgres import emptied
from trackd.core.changes import Outcome
from trackd.core.documents import Event, Profile, Session, Source
from trackd.core.source_changes import AddSource
from trackd.storage.memory import MemoryStore
from trackd.storage.postgres.events import EVENT_COLUMNS
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.store import Store

Database = Path | str
"""A file, or the URL of a PostgreSQL database."""
PROFILES = "SELECT id FROM profile ORDER BY number"
SESSIONS = "SELECT id FROM session ORDER BY number"


class ReadableStore(Store, Protocol):
    """A store whose content tests read; `events` are in the order of their commits."""

    @property
    def events(self) -> Sequence[Event]: ...
    @property
    def profiles(self) -> Mapping[str, Profile]: ...
    @property
    def sessions(self) -> Mapping[str, Session]: ...


MakeStore = Callable[[Sequence[Source]], ReadableStore]


class ReadablePostgresStore(PostgresStore):
    """A store on a database that is emptied, with these sources. It can be read after it was closed."""

    def __init__(self, url: str, sources: Sequence[Source] = ()) -> None:
        emptied(url)
        super().__init__(url)
        for source in sources:
            assert self.commit([AddSource(source)]) == [Outcome.STORED]

    @property
    def events(self) -> Sequence[Event]:
        return [Event(*row) for row in self._reader.read(f"SELECT {EVENT_COLUMNS} FROM event ORDER BY number")]

    @property
    def profiles(self) -> Mapping[str, Profile]:
        found = {key: self.profile(key) for (key,) in self._reader.read(PROFILES)}
        return {key: profile for key, profile in found.items() if profile is not None}

    @property
    def sessions(self) -> Mapping[str, Session]:
        found = {key: self.session(key) for (key,) in self._reader.read(SESSIONS)}
        return {key: session for key, session in found.items() if session is not None}


def store_maker(kind: str, url: Callable[[], str], made: Callable[[PostgresStore], object]) -> MakeStore:
    """Makes stores of a kind, `memory` or `postgres`. `made` is called with those that have to be closed."""

    def make(sources: Sequence[Source]) -> ReadableStore:
        if kind == "memory":
            return MemoryStore(list(sources))
        store = ReadablePostgresStore(url(), sources)
        made(store)
        return store

    return make
