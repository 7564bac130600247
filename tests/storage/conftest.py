"""What the storage tests share: documents with only what a test cares for, and both stores behind one shape."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from msgspec.structs import asdict
from sqlite_utils import Database

from tests.support.exports import PARTS
from trackd.core.changes import Change, Changes, Erasure, Fence, Outcome
from trackd.core.documents import Event, Profile, Session, Source, Token
from trackd.core.encoding import json_raw
from trackd.storage.memory import MemoryStore
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens
from trackd.storage.store import Store
from trackd.storage.workers.framing import decode_batch, decode_result, encode_batch, encode_result, with_failed
from trackd.storage.writer import commit

NOW = "2026-01-31T12:00:00.000000Z"


class Make:
    """Documents and changes in which only what is named differs."""

    @staticmethod
    def profile(profile_id: str, seq: int = 0, revision: int = 1, **doc: Any) -> Profile:
        return Profile(profile_id, seq, revision, json_raw({"id": profile_id, "seq": seq, **doc}))

    @staticmethod
    def session(session_id: str, profile_id: str, **context: Any) -> Session:
        return Session(session_id, profile_id, NOW, NOW, json_raw(context), json_raw({}))

    @staticmethod
    def event(profile_id: str, seq: int, **fields: Any) -> Event:
        event = Event(
            f"{profile_id}-{seq}",
            profile_id,
            seq,
            "S",
            "source",
            "t",
            NOW,
            NOW,
            "collected",
            None,
            "{}",
            "{}",
            "{}",
            "[]",
        )
        return event._replace(**fields)

    @classmethod
    def change(
        cls,
        profile_id: str,
        was: tuple[int, int] = (0, 0),
        *,
        events: int = 0,
        session: str | None = None,
        previous_owner: str | None = None,
        event_ids: Mapping[str, int | None] | None = None,
        event: Mapping[str, Any] | None = None,
        **doc: Any,
    ) -> Changes:
        """A call that found the profile at `was` (seq, revision) and stores so many events."""
        seq, revision = was
        return Changes(
            fence=Fence(profile_id, seq, revision),
            profile=cls.profile(profile_id, seq + events, revision + 1, **doc),
            session=cls.session(session, profile_id) if session else None,
            previous_owner=previous_owner,
            events=tuple(cls.event(profile_id, seq + 1 + n, **(event or {})) for n in range(events)),
            event_ids=event_ids,
        )


class Shelf(Protocol):
    """A store, and what only its owner can do with it."""

    store: Store

    def events(self) -> list[Event]: ...

    def put_source(self, source: Source) -> None: ...

    def put_token(self, token: Token) -> None: ...

    def revoke_token(self, name: str) -> None: ...

    def merge(self, profile_id: str, into_id: str) -> None:
        """The profile is gone, its id leads to the other."""


class MemoryShelf:
    def __init__(self) -> None:
        self.store = MemoryStore()

    def events(self) -> list[Event]:
        return self.store.events

    def put_source(self, source: Source) -> None:
        self.store.put_source(source)

    def put_token(self, token: Token) -> None:
        self.store.put_token(token)

    def revoke_token(self, name: str) -> None:
        self.store.revoke_token(name)

    def merge(self, profile_id: str, into_id: str) -> None:
        self.store.profiles.pop(profile_id, None)
        self.store.merged[profile_id] = into_id


class WiredStore(SqliteStore):
    """What it commits has gone the way to the writer process, and the outcomes have come back."""

    def commit(self, batch: Sequence[Change]) -> list[Outcome]:
        payload, unsaid = encode_batch(batch)
        committed = commit(self._writer, decode_batch(payload))
        result = with_failed(decode_result(encode_result(committed)), unsaid)
        if result.error:
            raise result.error
        return [*result.outcomes]


class SqliteShelf:
    def __init__(self, path: Path, kind: type[SqliteStore] = SqliteStore) -> None:
        self.path = path
        self.store = kind(path)
        self.db = Database(path)

    def events(self) -> list[Event]:
        return [Event(*row) for row in self.db.execute(f"SELECT {', '.join(Event._fields)} FROM event ORDER BY number")]

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

    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.path)

    def fill_disk(self) -> None:
        """The file may not grow any more."""
        self.store._writer._db.execute("PRAGMA max_page_count = 1")  # SQLite takes the present size when it is larger

    def free_disk(self) -> None:
        self.store._writer._db.execute("PRAGMA max_page_count = 1000000")

    def close(self) -> None:
        self.db.close()
        self.store.close()


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def sqlite_shelf(tmp_path: Path) -> Iterator[SqliteShelf]:
    shelf = SqliteShelf(tmp_path / "trackd.db")
    yield shelf
    shelf.close()


@pytest.fixture
def wired_shelf(tmp_path: Path) -> Iterator[SqliteShelf]:
    shelf = SqliteShelf(tmp_path / "trackd.db", WiredStore)
    yield shelf
    shelf.close()


@pytest.fixture(params=["memory", "sqlite", "wired"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    if request.param == "memory":
        return MemoryShelf()
    shelf: Shelf = request.getfixturevalue(f"{request.param}_shelf")
    return shelf


@pytest.fixture
def stored(tmp_path: Path, make: type[Make]) -> Path:
    """A closed database: profiles A (3 events) and B (2), a session of each, an event id, a tombstone."""
    path = tmp_path / "stored.db"
    store = SqliteStore(path)

    store.commit(
        [
            make.change("A", events=2, session="SA", event_ids={"A-1": 1}, **PARTS),
            make.change("B", events=2, session="SB", **PARTS),
        ]
    )
    store.commit([make.change("A", (2, 1), events=1, **PARTS), make.change("C", events=1, **PARTS)])
    store.commit([Erasure(Fence("C", 1, 1), "2026-02-01T12:00:00.000000Z")])
    store.close()
    return path
