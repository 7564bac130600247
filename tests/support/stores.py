"""Each kind of store, with the changes that other programs make to its content."""

import contextlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import MsgspecError
from msgspec.structs import asdict

from tests.support.database import open_database
from trackd.core.changes import Change, Outcome
from trackd.core.documents import Event, Source, Token
from trackd.core.refusals import Refusal
from trackd.storage.feed import FeedFilter, FeedPage, FeedRequest
from trackd.storage.listings import Listings
from trackd.storage.memory import MemoryStore
from trackd.storage.postgres.administration import add_source
from trackd.storage.postgres.connection import Connection
from trackd.storage.postgres.events import EVENT_COLUMNS
from trackd.storage.postgres.refusals import COLUMNS as REFUSAL_COLUMNS
from trackd.storage.postgres.store import PostgresStore
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.refusals import COLUMNS
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens
from trackd.storage.store import Store
from trackd.storage.workers.framing import (
    decode_batch,
    decode_result,
    encode_batch,
    encode_decodable,
    encode_result,
    with_failed,
)
from trackd.storage.writer import commit

T = TypeVar("T")


def existing(value: T | None) -> T:
    """The result of a read by key that must find something."""
    assert value is not None
    return value


class Backend(Protocol):
    """A store, its events, and what commands and other tools change in it."""

    @property
    def store(self) -> Store: ...

    def events(self) -> list[Event]:
        """All stored events, in the order of their commits."""

    def refusals(self) -> list[Refusal]:
        """All stored refusals, the oldest first."""

    def put_source(self, source: Source) -> None: ...

    def put_token(self, token: Token) -> None: ...

    def revoke_token(self, name: str) -> None: ...

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage: ...

    def merge(self, profile_id: str, into_id: str) -> None:
        """Delete a profile; its id leads to another one from now on."""


class ListedBackend(Backend, Protocol):
    """A backend with lists."""

    @property
    def listings(self) -> Listings: ...

    def execute(self, sql: str) -> None:
        """Change its tables with a statement, as other tools do."""


class MemoryBackend:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def events(self) -> list[Event]:
        return self.store.events

    def refusals(self) -> list[Refusal]:
        return self.store.refusals

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        return self.store.journal.feed(matching, request)

    def put_source(self, source: Source) -> None:
        self.store.put_source(source)

    def put_token(self, token: Token) -> None:
        self.store.put_token(token)

    def revoke_token(self, name: str) -> None:
        self.store.revoke_token(name)

    def merge(self, profile_id: str, into_id: str) -> None:
        self.store.profiles.pop(profile_id, None)
        self.store.merged[profile_id] = into_id


class PostgresBackend:
    """`db` is another connection to the database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = PostgresStore(url)
        self.listings = self.store.listings()
        self.db = Connection(url)

    def events(self) -> list[Event]:
        return [Event(*row) for row in self.db.rows(f"SELECT {EVENT_COLUMNS} FROM event ORDER BY number")]

    def refusals(self) -> list[Refusal]:
        return [Refusal(*row) for row in self.db.rows(f"SELECT {REFUSAL_COLUMNS} FROM refusal ORDER BY number")]

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        return self.listings.feed(matching, request)

    def put_source(self, source: Source) -> None:
        assert add_source(self.db, source)

    def put_token(self, token: Token) -> None:
        row = {**asdict(token), "scopes": " ".join(token.scopes)}
        names = ", ".join(row)
        times = ("inserted", "expires", "used")
        values = ", ".join(f"%({name})s{'::timestamptz' if name in times else ''}" for name in row)
        self.db.run(f"INSERT INTO token ({names}) VALUES ({values})", row)

    def revoke_token(self, name: str) -> None:
        self.db.run("DELETE FROM token WHERE name = %s", [name])

    def merge(self, profile_id: str, into_id: str) -> None:
        self.db.run("DELETE FROM profile WHERE id = %s", [profile_id])
        self.db.run("INSERT INTO merged VALUES (%s, %s)", [profile_id, into_id])

    def execute(self, sql: str) -> None:
        self.db.run(sql)

    def close(self) -> None:
        self.db.close()
        self.listings.close()
        self.store.close()


class FramedStore(SqliteStore):
    """An SQLite store whose batches and results are encoded and decoded as on their way to the writer process."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        payload, left_out = encode_batch(batch)
        try:
            changes = decode_batch(payload)
        except MsgspecError:
            payload, left_out = encode_decodable(batch)
            changes = decode_batch(payload)
        result = with_failed(decode_result(encode_result(commit(self._writer, changes))), left_out)
        if result.error:
            raise result.error
        return [*result.outcomes]


class SqliteBackend:
    """`db` is another connection to the file."""

    def __init__(self, path: Path, kind: type[SqliteStore] = SqliteStore) -> None:
        self.path = path
        self.store = kind(path)
        self.db = open_database(path)

    def events(self) -> list[Event]:
        return [Event(*row) for row in self.db.execute(f"SELECT {', '.join(Event._fields)} FROM event ORDER BY number")]

    def refusals(self) -> list[Refusal]:
        return [Refusal(*row) for row in self.db.execute(f"SELECT {COLUMNS} FROM refusal ORDER BY number")]

    def feed(self, matching: FeedFilter, request: FeedRequest) -> FeedPage:
        with contextlib.closing(SqliteListings(self.path)) as listings:
            return listings.feed(matching, request)

    def put_source(self, source: Source) -> None:
        with Sources(self.path) as sources:
            sources.add(source)

    def put_token(self, token: Token) -> None:
        self.db.table("token").insert({**asdict(token), "scopes": " ".join(token.scopes)})

    def revoke_token(self, name: str) -> None:
        with Tokens(self.path) as tokens:
            tokens.revoke(name)

    def merge(self, profile_id: str, into_id: str) -> None:
        with self.db.atomic():
            self.db.execute("DELETE FROM profile WHERE id = ?", [profile_id])
            self.db.execute("INSERT INTO merged VALUES (?, ?)", [profile_id, into_id])

    @cached_property
    def listings(self) -> SqliteListings:
        return SqliteListings(self.path)

    def execute(self, sql: str) -> None:
        self.db.execute(sql)

    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.path)

    def fill_disk(self) -> None:
        """From now on the file cannot grow."""
        self.store._writer._db.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size when it is larger

    def free_disk(self) -> None:
        self.store._writer._db.execute("PRAGMA max_page_count = 1000000")

    def close(self) -> None:
        if "listings" in vars(self):
            self.listings.close()
        self.db.close()
        self.store.close()
