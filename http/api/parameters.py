"""Ids in paths and query parameters, validated. Invalid ones are 422 with all faults at once."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from starlette.requests import Request

from trackd.core.times import read_time
from trackd.http.api.path_values import PATTERN, PATTERN_WITH_VALUE, path_and_value
from trackd.http.errors import invalid
from trackd.http.paths import path_parameter
from trackd.http.track.payload import Id
from trackd.storage.listings import EventFilter, PageRequest, ProfileFilter, RefusalFilter

MAX_LIMIT = 1_000


def _moment(value: str) -> str:
    try:
        return read_time(value)
    except ValueError:
        raise ValueError(
            "should be a date or a time in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z, or an epoch"
        ) from None


def _trait(value: str) -> str:
    path_and_value(value)
    return value


def _pii(value: str) -> str:
    if path_and_value(value)[1] is None:
        raise ValueError("should be a name and a value, such as email:ann@example.com")
    return value


TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {
            "type": "string",
            "pattern": r"^-?([0-9]{1,7}|[0-9]{9,13})(\.[0-9]*)?$",
            "description": "Epoch in (milli)seconds.",
        },
    ]
}

Moment = Annotated[str, AfterValidator(_moment), WithJsonSchema(TIME)]
Trait = Annotated[
    str,
    Field(min_length=1, max_length=1_000, json_schema_extra={"pattern": PATTERN}),
    AfterValidator(_trait),
]
Pii = Annotated[
    str,
    Field(min_length=1, max_length=1_000, json_schema_extra={"pattern": PATTERN_WITH_VALUE}),
    AfterValidator(_pii),
]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """The parameters of every list."""

    cursor: int | None = Field(None, ge=0, lt=2**62, description="The `next` of the page before.")
    limit: int = Field(100, ge=1, le=MAX_LIMIT, description="The most documents in the page.")

    def page(self) -> PageRequest:
        return PageRequest(self.cursor, self.limit)


class SourcesQuery(PageQuery):
    id: str | None = Field(None, min_length=1, description="Only the source with this id, exactly.")


class EventsQuery(PageQuery):
    type: Text | None = None
    source: Text | None = None
    status: Literal["collected", "validated", "invalid"] | None = None
    after: Moment | None = Field(None, description="Events that arrived then or later.")
    before: Moment | None = Field(None, description="Events that arrived earlier.")
    created_after: Moment | None = Field(None, description="Events that happened then or later, by their own time.")
    created_before: Moment | None = Field(None, description="Events that happened earlier, by their own time.")

    def events(self) -> EventFilter:
        return EventFilter(
            self.type,
            self.source,
            self.status,
            self.after,
            self.before,
            self.created_after,
            self.created_before,
        )


class ProfilesQuery(PageQuery):
    segment: Text | None = Field(None, description="The id or the name of a segment.")
    pii: Pii | None = Field(
        None, description="`name:value`, such as `email:ann@example.com`; case makes no difference in the value."
    )
    trait: Trait | None = Field(
        None,
        description="`name`, or `name:value`; dots lead into objects. A key with dots is in quotes: "
        '`"utm.source":google`. The value is text, or JSON: `5` finds 5.0, too.',
    )
    seen_after: Moment | None = Field(None, description="Profiles whose last call arrived then or later.")

    def profiles(self) -> ProfileFilter:
        trait, value = (None, None) if self.trait is None else path_and_value(self.trait)
        path, text = (None, None) if self.pii is None else path_and_value(self.pii)
        pii = None if path is None or text is None else (path, text)
        return ProfileFilter(self.segment, pii, trait, value, self.seen_after)


class RefusalsQuery(PageQuery):
    source: Text | None = None
    status: int | None = Field(
        None, ge=100, lt=1_000, description="That of the answer; 200 for events of calls that were accepted."
    )
    reason: Text | None = Field(None, description="Such as `invalid`, `unknown_source` or `without_consent`.")
    type: Text | None = Field(None, description="The type of the event.")
    profile: Text | None = None
    session: Text | None = None
    after: Moment | None = Field(None, description="Of calls that arrived then or later.")
    before: Moment | None = Field(None, description="Of calls that arrived earlier.")

    def refusals(self) -> RefusalFilter:
        return RefusalFilter(
            self.source,
            self.status,
            self.reason,
            self.type,
            self.profile,
            self.session,
            self.after,
            self.before,
        )


class ErasureQuery(Query):
    keep: Literal["events"] | None = Field(
        None, description="`events`: the events are kept, without anything that identifies the person."
    )


Q = TypeVar("Q", bound=Query)
_ID: TypeAdapter[str] = TypeAdapter(Id)


def query(request: Request, kind: type[Q]) -> Q:
    """The validated query parameters, each of them once. Raises HttpError."""
    return _validated(kind, request.query_params.multi_items())


def _validated(kind: type[Q], parameters: Sequence[tuple[str, str]]) -> Q:
    names = Counter(name for name, _ in parameters)
    found = [_repeated(name) for name in kind.model_fields if names[name] > 1]
    try:
        validated = kind.model_validate(dict(parameters))
    except ValidationError as error:
        found += faults(error, "query")
    if found:
        raise invalid(found)
    return validated


def _repeated(name: str) -> dict[str, Any]:
    """The fault of a parameter with several values: only one would count, and its client would not notice."""
    return {"loc": ["query", name], "msg": "should be there once", "type": "value_error"}


def id_and_query(request: Request, kind: type[Q]) -> tuple[str, Q]:
    """The id of a document, in the path or as `?id=`, and the other query parameters. Raises HttpError.

    An id in the query is taken exactly as it is, so that each stored id can be named.
    """
    if "id" in request.path_params:
        return _path_id(request), query(request, kind)
    ids = request.query_params.getlist("id")
    others = [(name, value) for name, value in request.query_params.multi_items() if name != "id"]
    if len(ids) != 1 or not ids[0]:
        message = "should be there once: percent-encoded, with `+` as %2B" if ids else "Field required"
        raise invalid([{"loc": ["query", "id"], "msg": message, "type": "value_error" if ids else "missing"}])
    return ids[0], _validated(kind, others)


def _path_id(request: Request) -> str:
    try:
        return _ID.validate_python(path_parameter(request.path_params["id"]))
    except ValidationError as error:
        raise invalid(faults(error, "path", "id")) from None


def faults(error: ValidationError, *place: str) -> list[dict[str, Any]]:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"loc": [*place, *fault["loc"]], "msg": fault["msg"], "type": fault["type"]} for fault in faults]
