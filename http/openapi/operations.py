"""What can be asked of trackd, in words: an entry for each method and path of `routes` in `http/app.py`.

What a route needs (nothing, or a token with `read` or `admin`) is not said here: the description asks its guard.
"""

from collections.abc import Mapping

from msgspec import Struct
from pydantic import BaseModel

from trackd.http.api.parameters import ErasureQuery, EventsQuery, PageQuery, ProfilesQuery, Query
from trackd.http.api.sources import SourceBody
from trackd.http.openapi import answers, refusals
from trackd.http.track.payload import TrackerPayload

JSON = "application/json"
PAGES = "Page by page, the newest first: the `next` of a page is the `cursor` of the one after it."
SEARCH = f"{PAGES} A search looks at 10,000 documents at a time: a page may be short or empty and still have a `next`."
TRACKING = """Finds out which profile the events belong to, applies them to it and stores them. Take `profile.id` of the
answer for the next call. A call that got no answer, or 503, can always be sent again. `Content-Encoding: gzip` is fine,
as is JSON without a content type."""

ID_OF_FIRST = "/result/0/id"


class Operation(Struct, frozen=True):
    """`name` is its id in the description; `answer` describes a 200, without one it is anything of the media type.

    `query`: what the query may say; None does not look at it. `absent`: what is not there is 404 with the body `null`.
    `refuses`: names of `REFUSALS` beyond those that follow from the rest. `links`: operations that take an id, and
    where in the answer it stands.
    """

    name: str
    tag: str
    summary: str
    answer: type[BaseModel] | None = None
    description: str = ""
    query: type[Query] | None = None
    body: type[BaseModel] | None = None
    headers: Mapping[str, str] = {}
    answer_types: tuple[str, ...] = (JSON,)
    absent: bool = False
    refuses: tuple[str, ...] = ()
    links: Mapping[str, str] = {}


TAGS = {
    "tracking": "Sending events.",
    "profiles": "Persons: look inside, hand out and erase what is known of them.",
    "sessions": "Visits of profiles.",
    "events": "What happened.",
    "sources": "Who may send events.",
    "server": "Is it well, and what is it?",
}

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/track"): Operation(
        "track",
        "tracking",
        "Send events",
        answers.TrackAnswer,
        TRACKING,
        body=TrackerPayload,
        headers={"Idempotency-Key": "Events without an id get one that is derived from it: a retry is recorded once."},
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
    ("GET", "/profiles"): Operation(
        "profiles",
        "profiles",
        "Search profiles",
        answers.Profiles,
        SEARCH,
        query=ProfilesQuery,
        links={"profile": ID_OF_FIRST},
    ),
    ("GET", "/profile/count"): Operation(
        "profile_count", "profiles", "How many profiles there are", answers.Count, query=Query
    ),
    ("GET", "/profile/{id}"): Operation(
        "profile",
        "profiles",
        "A profile",
        answers.Profile,
        "Also by an id that was merged into it.",
        query=Query,
        absent=True,
    ),
    ("DELETE", "/profile/{id}"): Operation(
        "erase",
        "profiles",
        "Erase a profile",
        answers.DocumentReference,
        "When it is answered, profile, sessions and events are gone from the disk. Later calls get a new profile.",
        query=ErasureQuery,
        absent=True,
    ),
    ("GET", "/profile/{id}/events"): Operation(
        "profile_events",
        "profiles",
        "The events of a profile",
        answers.Events,
        PAGES,
        query=PageQuery,
        absent=True,
        links={"event": ID_OF_FIRST},
    ),
    ("GET", "/profile/{id}/sessions"): Operation(
        "profile_sessions",
        "profiles",
        "The sessions of a profile",
        answers.Sessions,
        PAGES,
        query=PageQuery,
        absent=True,
        links={"session": ID_OF_FIRST},
    ),
    ("GET", "/profile/{id}/export"): Operation(
        "export",
        "profiles",
        "Everything about a profile",
        answers.Export,
        "One JSON document, however much it is.",
        query=Query,
        absent=True,
    ),
    ("GET", "/session/count"): Operation(
        "session_count", "sessions", "How many sessions there are", answers.Count, query=Query
    ),
    ("GET", "/session/{id}"): Operation("session", "sessions", "A session", answers.Session, query=Query, absent=True),
    ("GET", "/events"): Operation(
        "events", "events", "Search events", answers.Events, SEARCH, query=EventsQuery, links={"event": ID_OF_FIRST}
    ),
    ("GET", "/events/session/{id}"): Operation(
        "session_events",
        "events",
        "The events of a session",
        answers.Events,
        PAGES,
        query=PageQuery,
        absent=True,
        links={"event": ID_OF_FIRST},
    ),
    ("GET", "/event/count"): Operation(
        "event_count", "events", "How many events there are", answers.Count, query=Query
    ),
    ("GET", "/event/{id}"): Operation(
        "event", "events", "An event", answers.Event, "The newest one of this id.", query=Query, absent=True
    ),
    ("GET", "/event-sources"): Operation(
        "sources", "sources", "The sources", answers.Sources, PAGES, query=PageQuery, links={"source": ID_OF_FIRST}
    ),
    ("GET", "/event-source"): Operation(
        "sources_too", "sources", "The sources, as `/event-sources`", answers.Sources, PAGES, query=PageQuery
    ),
    ("POST", "/event-source"): Operation(
        "add_source",
        "sources",
        "Add a source",
        answers.Source,
        "It may send events when it is answered.",
        query=Query,
        body=SourceBody,
        refuses=("AlreadyThere",),
        links={"source": "/id", "change_source": "/id", "remove_source": "/id"},
    ),
    ("GET", "/event-source/{id}"): Operation("source", "sources", "A source", answers.Source, query=Query, absent=True),
    ("PUT", "/event-source/{id}"): Operation(
        "change_source",
        "sources",
        "Change a source",
        answers.Source,
        "All of it: what is left out is as for a new source. An `id` in the body has to be that of the path.",
        query=Query,
        body=SourceBody,
        absent=True,
    ),
    ("DELETE", "/event-source/{id}"): Operation(
        "remove_source", "sources", "Remove a source", answers.DocumentReference, query=Query, absent=True
    ),
    ("GET", "/healthcheck"): Operation("healthcheck", "server", "Is the process alive?", answers.Status),
    ("GET", "/ready"): Operation("ready", "server", "Are calls taken?", answers.Status, refuses=("Unavailable",)),
    ("GET", "/metrics"): Operation(
        "metrics", "server", "Numbers of this process, for Prometheus", answer_types=("text/plain",)
    ),
    ("GET", "/info/version"): Operation("version", "server", "What runs here", answers.Versions),
    ("GET", "/openapi.json"): Operation("openapi", "server", "This description"),
    ("GET", "/docs"): Operation("docs", "server", "This description, to read and try", answer_types=("text/html",)),
    ("GET", "/docs/{name}"): Operation(
        "docs_file",
        "server",
        "What the page `/docs` is made of",
        answer_types=("text/css", "text/javascript", "image/png"),
        refuses=("PathUnknown",),
    ),
}
