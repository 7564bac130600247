"""Stores with refusals, and what their feeds show."""

import json
from collections.abc import Iterator
from typing import Any

from tests.support.making import Make
from tests.support.stores import Backend
from trackd.core.feed_cursor import Cursor
from trackd.core.refusals import PutRefusals, Refusal
from trackd.storage.feed import EVENT, KINDS, REFUSAL, FeedFilter, FeedPage, FeedRequest, Start

ALL = FeedFilter(KINDS)
EVENTS = FeedFilter((EVENT,))
REFUSALS = FeedFilter((REFUSAL,))


def time(second: int) -> str:
    return f"2026-01-31T12:00:{second:02}.000000Z"


def put(backend: Backend, *session_ids: str, second: int = 0, keep: int = 100, **fields: Any) -> None:
    refusals = [Refusal(time(second), 422, "invalid", session_id=each, **fields) for each in session_ids]
    backend.store.commit([PutRefusals(tuple(refusals), keep)])


def add(backend: Backend, make: type[Make], profile_id: str, events: int = 1, second: int = 0, **event: Any) -> None:
    change = make.change(profile_id, events=events, event={"inserted": time(second), **event})
    backend.store.commit([change])


def pages(
    backend: Backend, after: Cursor | Start = Start.OLDEST, matching: FeedFilter = ALL, **bounds: Any
) -> Iterator[FeedPage]:
    """The pages up to the last one."""
    while True:
        page = backend.feed(matching, FeedRequest(after, **bounds))
        assert page.lost is None
        yield page
        if page.is_last:
            return
        after = page.cursor


def records(backend: Backend, *arguments: Any, **bounds: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for page in pages(backend, *arguments, **bounds) for line in page.records.splitlines()]


def name(record: dict[str, Any]) -> str:
    """The id of an event, the hash of an erasure, the session of a refusal, or a number that is missed."""
    match record["kind"]:
        case "event":
            return str(record["id"])
        case "erased":
            return str(record["id_hash"])
        case "missed":
            return f"{record['refusals']} missed"
    return str(record["session"] and record["session"]["id"])


def shown(backend: Backend, *arguments: Any, **bounds: Any) -> list[str]:
    return [name(record) for record in records(backend, *arguments, **bounds)]


def now(backend: Backend, matching: FeedFilter = ALL) -> Cursor:
    return backend.feed(matching, FeedRequest(Start.NOW)).cursor
