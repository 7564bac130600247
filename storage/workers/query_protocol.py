"""The frames between the server and its reader process: a query names a method of `Listings`, an answer has its result.

A query's number is repeated by its answer: answers come in any order.
"""

import logging
from typing import Any

import msgspec
from msgspec import MsgspecError, Struct, msgpack

from trackd.storage.errors import DamagedRowError, StoreError
from trackd.storage.feed import FeedFilter, FeedGroup, FeedRequest
from trackd.storage.listings import EventFilter, Listings, Page, PageRequest, ProfileFilter, RefusalFilter
from trackd.telemetry.faults import without_values

log = logging.getLogger(__name__)

ARGUMENT_TYPES: dict[str, tuple[Any, ...]] = {
    "profile_events": (str, PageRequest),
    "profile_sessions": (str, PageRequest),
    "session_events": (str, PageRequest),
    "events": (EventFilter, PageRequest),
    "profiles": (ProfileFilter, PageRequest),
    "refusals": (RefusalFilter, PageRequest),
    "feeds": (list[tuple[FeedFilter, FeedRequest]],),
    "profile_ids": (str, int, bool),
    "segment_members": (),
    "count": (str,),
}
FEEDS = "feeds"
SHORT_QUERIES = frozenset({"profile_events", "profile_sessions"})  # they read no more rows than a page has


class Query(Struct, frozen=True, array_like=True):
    """A call of a method of `Listings`, one of ARGUMENT_TYPES."""

    number: int
    method: str
    arguments: tuple[Any, ...]


class Answer(Struct, frozen=True, array_like=True):
    """The result of a query, or an error. All are None when the method returned None."""

    number: int
    page: Page | None = None
    count: int | None = None
    error: str | None = None
    keys: list[str] | None = None
    counts: dict[str, int] | None = None
    feeds: FeedGroup | None = None
    is_damage: bool = False
    """Whether the error is a damaged row."""


ENCODER = msgpack.Encoder()
QUERIES = msgpack.Decoder(Query)
ANSWERS = msgpack.Decoder(Answer)


def encode_query(number: int, method: str, *arguments: Any) -> bytes:
    return ENCODER.encode(Query(number, method, arguments))


def run_query(listings: Listings, query: Query) -> bytes:
    """Call the method, and return the encoded answer. Every exception becomes an error in it."""
    try:
        types = ARGUMENT_TYPES[query.method]
        arguments: list[Any] = [
            msgspec.convert(value, kind) for value, kind in zip(query.arguments, types, strict=True)
        ]
        result = getattr(listings, query.method)(*arguments)
    except StoreError as error:
        is_damage = isinstance(error, DamagedRowError)
        return ENCODER.encode(Answer(query.number, error=str(error), is_damage=is_damage))
    except Exception as error:  # a bug must not leave the query without an answer
        log.error("the query %s failed", query.method, exc_info=without_values(error))
        return ENCODER.encode(Answer(query.number, error=f"{query.method} raised {type(error).__name__}"))
    match result:
        case int():
            return ENCODER.encode(Answer(query.number, count=result))
        case FeedGroup():
            return ENCODER.encode(Answer(query.number, feeds=result))
        case list():
            return ENCODER.encode(Answer(query.number, keys=result))
        case dict():
            return ENCODER.encode(Answer(query.number, counts=result))
    return ENCODER.encode(Answer(query.number, page=result))


def decode_answer(payload: bytes) -> Answer:
    """Raises StoreError when the payload is not an answer."""
    try:
        return ANSWERS.decode(payload)
    except MsgspecError as error:
        raise StoreError(f"the reader process sent a frame that is not an answer: {error}") from error
