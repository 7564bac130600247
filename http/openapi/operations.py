"""Descriptions of the operations, for the OpenAPI description: one for each method and path in `http/routes.py`.

The scope that an operation requires is not repeated here: it comes from the route.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from pydantic import BaseModel

from trackd.core.document_shapes import DocumentReference, EventDocument, ProfileDocument, SessionDocument
from trackd.core.documents import Source
from trackd.http.api.parameters import (
    ErasureQuery,
    EventsQuery,
    PageQuery,
    ProfilesQuery,
    Query,
    RefusalsQuery,
    SourcesQuery,
)
from trackd.http.api.sources import SourceBody, SourceChanges, SourceReplacement
from trackd.http.feed.query import FeedQuery
from trackd.http.openapi import answers, examples, refusals
from trackd.http.track.payload import TrackerPayload

JSON = "application/json"
PAGES = "In pages, the newest document first: the `next` of a page is the `cursor` of the page after it."
SEARCH = (
    f"{PAGES} A search reads at most 10,000 documents for a page: it may be short or empty and still have a `next`."
)
TRACKING = """Resolves the profile of the events, applies them to it and stores them. Use `profile.id` of the answer in
the next call. A call without an answer, or with 503, can be sent again. `Content-Encoding: gzip` is accepted, and so
are JSON without a content type, and forms with the JSON in a field `payload` or `data`."""

ID_OF_FIRST = "/result/0/id"


class Operation(Struct, frozen=True):
    """A method and path of the API.

    - `name` is its `operationId`.
    - `answer` models the body of a 200; without a model it is any content of `answer_types`.
    - `query` models the query parameters; None ignores them.
    - `example` is a body that works as it is.
    - `absent`: it answers 404 with the body `null` when the document does not exist.
    - `refuses` are names of `REFUSALS`, beyond those that follow from the other fields.
    - `by_query`: the id of the document is in the query.
    - `links` are operations that take an id of the answer, with the JSON pointer to it.
    """

    name: str
    tag: str
    summary: str
    answer: type[Struct] | None = None
    description: str = ""
    query: type[Query] | None = None
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}
    answer_types: tuple[str, ...] = (JSON,)
    absent: bool = False
    refuses: tuple[str, ...] = ()
    links: Mapping[str, str] = {}
    by_query: bool = False


def _page(name: str, tag: str, summary: str, answer: type[Struct], link: str) -> Operation:
    """A page of the documents that belong to another one; `link` is the operation that takes the id of one of them."""
    return Operation(name, tag, summary, answer, PAGES, query=PageQuery, absent=True, links={link: ID_OF_FIRST})


TAGS = {
    "tracking": "Sending events.",
    "profiles": "Persons: read, export and erase their data.",
    "sessions": "Visits of profiles.",
    "events": "Events, by profile, by session, or searched.",
    "sources": "The sources that may send events.",
    "server": "Health, metrics, versions and documentation.",
}

_OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/track"): Operation(
        "track",
        "tracking",
        "Send events",
        answers.TrackAnswer,
        TRACKING,
        body=TrackerPayload,
        example=examples.CALL,
        headers={
            "Idempotency-Key": "Events without an id get one that is derived from it: a retry is recorded once.",
            "x-timestamp": "When the client sent the call, by its own clock; see `sentAt` of the payload, which wins.",
        },
        refuses=refusals.TRACK,
        links={
            "profile": "/profile/id",
            "profile_events": "/profile/id",
            "profile_sessions": "/profile/id",
            "export": "/profile/id",
            "erase": "/profile/id",
            "session": "/session/id",
            "session_events": "/session/id",
            "event": "/debugging/events/ids/0",
        },
    ),
    ("GET", "/tracker.js"): Operation(
        "tracker_script",
        "tracking",
        "The tracker script for web pages",
        description='A page has `<script defer src="https://HOST/tracker.js" data-source="ID"></script>`.',
        answer_types=("text/javascript",),
    ),
    ("GET", "/profiles"): Operation(
        "profiles",
        "profiles",
        "Search profiles",
        answers.Profiles,
        SEARCH,
        query=ProfilesQuery,
        refuses=("SegmentUnknown",),
        links={"profile": ID_OF_FIRST},
    ),
    ("GET", "/segments"): Operation(
        "segments",
        "profiles",
        "The segments, with their numbers of members",
        answers.Segments,
        "All in one page. Counts the members in all profiles, which takes a while for many.",
        query=Query,
    ),
    ("GET", "/profile/count"): Operation(
        "profile_count", "profiles", "How many profiles there are", answers.Count, query=Query
    ),
    ("GET", "/profile/{id}"): Operation(
        "profile",
        "profiles",
        "A profile",
        ProfileDocument,
        "Also by an id that was merged into it.",
        query=Query,
        absent=True,
    ),
    ("DELETE", "/profile/{id}"): Operation(
        "erase",
        "profiles",
        "Erase a profile",
        DocumentReference,
        "A 200 means that profile, sessions and events are deleted from the disk. Later calls get a new profile.",
        query=ErasureQuery,
        absent=True,
    ),
    ("GET", "/profile/{id}/events"): _page(
        "profile_events", "profiles", "The events of a profile", answers.Events, "event"
    ),
    ("GET", "/profile/{id}/sessions"): _page(
        "profile_sessions", "profiles", "The sessions of a profile", answers.Sessions, "session"
    ),
    ("GET", "/profile/{id}/export"): Operation(
        "export",
        "profiles",
        "Everything about a profile",
        answers.Export,
        "One JSON document of any size, sent as it is read.",
        query=Query,
        absent=True,
    ),
    ("GET", "/session/count"): Operation(
        "session_count", "sessions", "How many sessions there are", answers.Count, query=Query
    ),
    ("GET", "/session/{id}"): Operation("session", "sessions", "A session", SessionDocument, query=Query, absent=True),
    ("GET", "/events"): Operation(
        "events", "events", "Search events", answers.Events, SEARCH, query=EventsQuery, links={"event": ID_OF_FIRST}
    ),
    ("GET", "/feed"): Operation(
        "feed",
        "events",
        "What is stored, and what comes next",
        description="Records in the order of their commits, after a cursor: lines of JSON, or with "
        "`Accept: text/event-stream` server-sent events, which do not end. Each is the document of an event, an "
        "erasure, or on request a refusal (`kinds=event,erased,refusal`), with `kind` and `cursor`. Refusals are in "
        "the order of their commits too, and among the events by time.",
        query=FeedQuery,
        answer_types=("application/x-ndjson", "text/event-stream"),
        refuses=("PositionLost",),
    ),
    ("GET", "/refusals"): Operation(
        "refusals",
        "events",
        "The calls and events that were not stored, and why",
        answers.Refusals,
        f"{PAGES} The newest ones alone are kept (`refusals.keep`). Calls that were answered 503 are not among them.",
        query=RefusalsQuery,
    ),
    ("GET", "/events/session/{id}"): _page(
        "session_events", "events", "The events of a session", answers.Events, "event"
    ),
    ("GET", "/event/count"): Operation(
        "event_count", "events", "How many events there are", answers.Count, query=Query
    ),
    ("GET", "/event/{id}"): Operation(
        "event", "events", "An event", EventDocument, "The newest event with this id.", query=Query, absent=True
    ),
    ("GET", "/event-sources"): Operation(
        "sources", "sources", "The sources", answers.Sources, PAGES, query=SourcesQuery, links={"source": ID_OF_FIRST}
    ),
    ("GET", "/event-source"): Operation(
        "sources_too", "sources", "The sources, as `/event-sources`", answers.Sources, PAGES, query=SourcesQuery
    ),
    ("POST", "/event-source"): Operation(
        "add_source",
        "sources",
        "Add a source",
        Source,
        "A 200 means that it may send events.",
        query=Query,
        body=SourceBody,
        example=examples.SOURCE,
        refuses=("Conflict",),
        links={"source": "/id", "replace_source": "/id", "change_source": "/id", "remove_source": "/id"},
    ),
    ("GET", "/event-source/{id}"): Operation("source", "sources", "A source", Source, query=Query, absent=True),
    ("PUT", "/event-source/{id}"): Operation(
        "replace_source",
        "sources",
        "Replace a source",
        Source,
        "All fields are required. An `id` in the body must equal the one in the path.",
        query=Query,
        body=SourceReplacement,
        example=examples.SOURCE,
        absent=True,
    ),
    ("PATCH", "/event-source/{id}"): Operation(
        "change_source",
        "sources",
        "Change fields of a source",
        Source,
        "Fields that the body does not name stay as they are. A list replaces the one before. `rate_limit` null ends "
        "the limit; no other field can be null.",
        query=Query,
        body=SourceChanges,
        example=examples.SOURCE_CHANGES,
        absent=True,
    ),
    ("DELETE", "/event-source/{id}"): Operation(
        "remove_source", "sources", "Remove a source", DocumentReference, query=Query, absent=True
    ),
    ("GET", "/healthcheck"): Operation("healthcheck", "server", "Is the process alive?", answers.Status),
    ("GET", "/ready"): Operation("ready", "server", "Are calls taken?", answers.Status, refuses=("Unavailable",)),
    ("GET", "/metrics"): Operation(
        "metrics", "server", "Metrics, in Prometheus' text format", answer_types=("text/plain",)
    ),
    ("GET", "/info/version"): Operation("version", "server", "Versions", answers.Versions),
    ("GET", "/openapi.json"): Operation("openapi", "server", "This description"),
    ("GET", "/docs"): Operation(
        "docs", "server", "This description as a page to read and try", answer_types=("text/html",)
    ),
    ("GET", "/docs/{name}"): Operation(
        "docs_file",
        "server",
        "A file of the page `/docs`",
        answer_types=("text/css", "text/javascript", "image/png"),
        refuses=("PathUnknown",),
    ),
}


def by_query(name: str) -> str:
    """The name of the operation that does the same with the id in its query."""
    return f"{name}_by_query"


def _named_by_query(operation: Operation) -> Operation:
    return replace(
        operation,
        name=by_query(operation.name),
        summary=f"{operation.summary}, named by `?id=`",
        by_query=True,
    )


OPERATIONS: Mapping[tuple[str, str], Operation] = _OPERATIONS | {
    (method, without_id): _named_by_query(operation)
    for (method, path), operation in _OPERATIONS.items()
    if (method, without_id := path.replace("/{id}", "")) not in _OPERATIONS
}
