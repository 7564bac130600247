"""Applications that take the same payload as trackd, as one would write them without it: what trackd is compared with.

- `echo` validates the payload and answers; it stores nothing. The ceiling of Starlette on uvicorn.
- `lockdb` has one lock in the process, and an SQLite transaction for each call (WAL, synchronous = FULL).
- `rowlock` has PostgreSQL, `SELECT ... FOR UPDATE` on the profile's row, and a transaction for each call.

`PEER=lockdb uvicorn --factory tests.bench.peers:app` runs one. `lockdb` reads its file from `DB`,
`rowlock` its address from `DATABASE_URL`.
"""

import contextlib
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SCHEMA = (
    "create table if not exists profile(id text primary key, seq integer not null, doc text not null)",
    "create table if not exists session(id text primary key, profile text not null, time double precision,"
    " context text)",
    "create table if not exists event(id text primary key, profile text not null, session text not null, source text,"
    " seq integer not null, type text, time double precision, properties text, context text, unique(profile, seq))",
)
PUT_PROFILE = "insert into profile values(?, ?, ?) on conflict(id) do update set seq = excluded.seq, doc = excluded.doc"
PUT_SESSION = "insert into session values({0}, {0}, {0}, {0}) on conflict(id) do update set time = excluded.time"
PUT_EVENT = "insert into event values({0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}, {0})"
POOL = 16


class Reference(BaseModel):
    id: str


class Event(BaseModel):
    type: str
    properties: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)
    context: dict[str, Any] = Field(default_factory=dict)


class Payload(BaseModel):
    source: Reference
    session: Reference
    events: list[Event]
    profile: Reference | None = None
    context: dict[str, Any] = Field(default_factory=dict)
    properties: dict[str, Any] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)

    def profile_after(self, row: Any) -> str:
        """`row` is the stored session's, None when there is none."""
        if row:
            return str(row[0])
        return self.profile.id if self.profile else str(uuid.uuid4())

    def event_rows(self, profile_id: str, seq: int, now: float) -> list[tuple[Any, ...]]:
        """Rows of `event`, numbered after `seq`."""
        return [
            (
                str(uuid.uuid4()),
                profile_id,
                self.session.id,
                self.source.id,
                number,
                event.type,
                now,
                json.dumps(event.properties),
                json.dumps(event.context),
            )
            for number, event in enumerate(self.events, seq + 1)
        ]


def _answer(profile_id: str) -> JSONResponse:
    return JSONResponse({"profile": {"id": profile_id}, "source": {"consent": False}})


async def echo(request: Request) -> JSONResponse:
    return _answer(Payload.model_validate_json(await request.body()).session.id)


class LockDb:
    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._db: Any = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for statement in ("pragma journal_mode = wal", "pragma synchronous = full", *SCHEMA):
            self._db.execute(statement)

    async def track(self, request: Request) -> JSONResponse:
        payload = Payload.model_validate_json(await request.body())
        return _answer(await run_in_threadpool(self._write, payload))

    def _write(self, payload: Payload) -> str:
        db, now = self._db, time.time()
        with self._lock:
            db.execute("begin immediate")
            try:
                row = db.execute("select profile from session where id = ?", (payload.session.id,)).fetchone()
                profile_id = payload.profile_after(row)
                row = db.execute("select seq, doc from profile where id = ?", (profile_id,)).fetchone()
                seq, doc = (row[0], json.loads(row[1])) if row else (0, {"views": 0})
                for values in payload.event_rows(profile_id, seq, now):
                    db.execute(PUT_EVENT.format("?"), values)
                doc["views"] += len(payload.events)
                db.execute(PUT_PROFILE, (profile_id, seq + len(payload.events), json.dumps(doc)))
                db.execute(PUT_SESSION.format("?"), (payload.session.id, profile_id, now, json.dumps(payload.context)))
                db.execute("commit")
            except BaseException:
                db.execute("rollback")
                raise
        return profile_id


class RowLock:
    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def track(self, request: Request) -> JSONResponse:
        payload = Payload.model_validate_json(await request.body())
        now = time.time()
        async with self._pool.connection() as db, db.transaction():
            found = await db.execute("select profile from session where id = %s", (payload.session.id,))
            profile_id = payload.profile_after(await found.fetchone())
            await db.execute(
                "insert into profile values(%s, 0, '{\"views\": 0}') on conflict do nothing", (profile_id,)
            )
            found = await db.execute("select seq, doc from profile where id = %s for update", (profile_id,))
            seq, text = await found.fetchone()
            doc = json.loads(text)
            doc["views"] += len(payload.events)
            async with db.cursor() as many:
                await many.executemany(PUT_EVENT.format("%s"), payload.event_rows(profile_id, seq, now))
            changed = seq + len(payload.events), json.dumps(doc), profile_id
            await db.execute("update profile set seq = %s, doc = %s where id = %s", changed)
            session = payload.session.id, profile_id, now, json.dumps(payload.context)
            await db.execute(PUT_SESSION.format("%s"), session)
        return _answer(profile_id)


@contextlib.asynccontextmanager
async def _rowlock(app: Starlette) -> AsyncIterator[None]:
    from psycopg_pool import AsyncConnectionPool  # of the extra `bench`

    async with AsyncConnectionPool(os.environ["DATABASE_URL"], min_size=POOL, max_size=POOL, open=False) as pool:
        async with pool.connection() as db:
            for statement in SCHEMA:
                await db.execute(statement)
        app.router.routes.append(Route("/track", RowLock(pool).track, methods=["POST"]))
        yield


def peer(name: str) -> Starlette:
    match name:
        case "echo":
            return Starlette(routes=[Route("/track", echo, methods=["POST"])])
        case "lockdb":
            return Starlette(routes=[Route("/track", LockDb(os.environ["DB"]).track, methods=["POST"])])
        case "rowlock":
            return Starlette(lifespan=_rowlock)
    raise ValueError(f"there is no peer {name!r}: echo, lockdb and rowlock are")


def app() -> Starlette:
    """For `uvicorn --factory`."""
    return peer(os.environ["PEER"])
