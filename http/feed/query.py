"""The query parameters of the feed."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from trackd.core.feed_cursor import OLDEST, PATTERN, Cursor
from trackd.http.api.parameters import Query, Text, query
from trackd.http.errors import invalid
from trackd.http.track.payload import Id
from trackd.storage.feed import ERASED, EVENT, KINDS, FeedFilter, Form, Position, Start

LAST_EVENT_ID = "last-event-id"
EVENT_STREAM, LINES = "text/event-stream", "application/x-ndjson"
WEIGHT = re.compile(r";\s*q\s*=\s*([01](\.[0-9]*)?)\s*(;|$)")
MAX_WAIT_S = 3_600
MAX_NEWEST = 10_000
POSITION = "position"
KINDS_AND_POSITION = (*KINDS, POSITION)
DEFAULT_KINDS = f"{EVENT},{ERASED}"


def _checked_cursor(text: str) -> str:
    if text != OLDEST:
        Cursor.read(text)
    return text


def _checked_kinds(text: str) -> str:
    unknown = [kind for kind in text.split(",") if kind not in KINDS_AND_POSITION]
    if unknown:
        raise ValueError(f"should be kinds with commas between them, of {', '.join(KINDS_AND_POSITION)}")
    return text


After = Annotated[
    str,
    Field(json_schema_extra={"pattern": rf"^({OLDEST}|{PATTERN})$"}),
    AfterValidator(_checked_cursor),
]
Kinds = Annotated[
    str,
    Field(json_schema_extra={"pattern": "^({0})(,({0}))*$".format("|".join(KINDS_AND_POSITION))}),
    AfterValidator(_checked_kinds),
]


class FeedQuery(Query):
    after: After | None = Field(
        None, description="The `cursor` of a record: those behind it. `0`: all. Without it: those from now on."
    )
    newest: int | None = Field(
        None,
        ge=1,
        le=MAX_NEWEST,
        description="Without `after`: begin with those of so many of the newest events that match, and all refusals.",
    )
    kinds: Kinds = Field(
        DEFAULT_KINDS,
        description="The kinds of records, with commas between them. `refusal`: what was not stored, as "
        "`GET /refusals` has it, and records `missed` that count those which are gone. `position`: lines with the "
        "position alone, every 15 seconds without a record and at the end; they do not count for `limit`.",
    )
    type: Text | None = Field(None, description="Only events and refusals of this type.")
    source: Text | None = Field(None, description="Only events and refusals of this source.")
    profile: Id | None = Field(None, description="Only events and refusals of this profile, and its erasure.")
    session: Id | None = Field(None, description="Only events and refusals of this session.")
    status: Literal["collected", "validated", "invalid"] | None = Field(
        None, description="Of the events only those of this status."
    )
    limit: int | None = Field(None, ge=1, le=1_000_000, description="Lines: the most records; without it, all.")
    wait: float = Field(
        0, ge=0, le=MAX_WAIT_S, description="Lines: seconds without a record after which the answer ends."
    )

    def matching(self) -> FeedFilter:
        kinds = tuple(kind for kind in KINDS if kind in self.kinds.split(","))
        return FeedFilter(kinds, self.type, self.source, self.profile, self.session, self.status)

    @property
    def has_positions(self) -> bool:
        return POSITION in self.kinds.split(",")

    def start(self) -> Position:
        match self.after:
            case None:
                return self.newest or Start.NOW
            case "0":
                return Start.OLDEST
        return Cursor.read(self.after)


class EventStreamQuery(FeedQuery):
    """A stream of server-sent events does not end by itself."""

    @model_validator(mode="after")
    def _has_no_end(self) -> "EventStreamQuery":
        if self.model_fields_set & {"limit", "wait"}:
            raise PydanticCustomError("value_error", "`limit` and `wait` are for lines: server-sent events do not end")
        return self


def feed_query(request: Request) -> tuple[FeedQuery, Form]:
    """The parameters, and the form that the client accepts. Raises HttpError.

    A browser that connects again sends the id of the last event that it got, with the `after` of its first request.
    """
    if not _asks_for_events(",".join(request.headers.getlist("accept"))):
        return query(request, FeedQuery), Form.LINES
    parameters = query(request, EventStreamQuery)
    last = request.headers.get(LAST_EVENT_ID)
    if last:
        try:
            parameters.after = _checked_cursor(last)
        except ValueError as error:
            fault = {"loc": ["header", "Last-Event-ID"], "msg": f"Value error, {error}", "type": "value_error"}
            raise invalid([fault]) from None
    return parameters, Form.EVENTS


def _asks_for_events(accept: str) -> bool:
    """Whether a client with this header gets server-sent events: it names them, and does not prefer lines."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        weight = WEIGHT.search(part)
        weights[part.partition(";")[0].strip()] = 1 if weight is None else float(weight[1])
    return weights.get(EVENT_STREAM, 0) > 0 and weights[EVENT_STREAM] >= weights.get(LINES, 0)
