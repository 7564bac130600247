"""The endpoints that manage event sources. A change is in force when it is answered."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.messages import Administer, Administered
from trackd.actors.tracker import Tracker
from trackd.core.documents import Source, timestamp
from trackd.core.source_changes import AddSource, EditSource, RemoveSource, SourceChange
from trackd.core.source_checks import MAX_RATE, MIN_RATE, checked_id, checked_origins, checked_rate
from trackd.http.api.documents import json_answer
from trackd.http.api.parameters import Query, SourcesQuery, faults, id_and_query, query
from trackd.http.body import Headers, check_nesting, receive_body
from trackd.http.content_types import check_content_type
from trackd.http.errors import aborted, conflict, invalid, not_found
from trackd.http.json_text import readable_json
from trackd.storage.store import Reads

MAX_BODY_BYTES = 65_536
MAX_NESTING = 8
REQUIRED = "Field required: PUT replaces the whole source, PATCH changes only the fields that it names"

# JSON Schema has no notion of printable text and of origins: `format` names them, and readers may ignore it.
SOURCE_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S", "format": "printable"}
ORIGIN = {"type": "string", "minLength": 1, "format": "origin"}
RATE = {"type": "number", "minimum": MIN_RATE, "maximum": MAX_RATE}

Text = Annotated[str, StringConstraints(max_length=1_000)]


Name = Annotated[Text, StringConstraints(min_length=1)]
Consent = Annotated[bool, Field(description="Whether its events need consent.")]
ReturnsProfile = Annotated[bool, Field(description="Whether answers may carry the profile.")]
PermanentProfileId = Annotated[bool, Field(description="Whether new profiles take the id that the client sends.")]
Origins = Annotated[
    list[Annotated[Text, WithJsonSchema(ORIGIN)]],
    Field(
        max_length=1_000,
        description="Origins that browsers may send from, also `https://*.shop.example`; none means any.",
    ),
    AfterValidator(checked_origins),
]
RateLimit = Annotated[
    Annotated[float, AfterValidator(checked_rate), WithJsonSchema(RATE)] | None,
    Field(description="Calls per second; null for no limit."),
]
Tags = Annotated[list[Text], Field(max_length=1_000)]


class _Body(BaseModel):
    """`metadata` is ignored: a source that was read can be sent back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, AfterValidator(checked_id), WithJsonSchema(SOURCE_ID)] | None = None
    metadata: Any = None

    def fields(self) -> dict[str, Any]:
        """The fields that the body names."""
        return self.model_dump(exclude={"id", "metadata"}, exclude_unset=True)


class SourceBody(_Body):
    """The body that adds a source. Without `id` the server makes one; `metadata` is ignored."""

    name: Name
    description: Text = ""
    enabled: bool = True
    consent: Consent = False
    returns_profile: ReturnsProfile = False
    permanent_profile_id: PermanentProfileId = False
    origins: Origins = Field(default_factory=list)
    rate_limit: RateLimit = None
    tags: Tags = Field(default_factory=list)


class SourceReplacement(_Body):
    """The body that replaces a source: all fields are required, but for `id` and `metadata`, which is ignored."""

    name: Name
    description: Text
    enabled: bool
    consent: Consent
    returns_profile: ReturnsProfile
    permanent_profile_id: PermanentProfileId
    origins: Origins
    rate_limit: RateLimit
    tags: Tags


class SourceChanges(_Body):
    """The body that changes the named fields of a source. `rate_limit` alone can be null: it ends the limit.

    A list replaces the one before. Fields have no default here, not even in the schema: a client that fills defaults
    in would reset what it does not name.
    """

    name: Name = Field(default_factory=str)
    description: Text = Field(default_factory=str)
    enabled: bool = Field(default_factory=bool)
    consent: Consent = Field(default_factory=bool)
    returns_profile: ReturnsProfile = Field(default_factory=bool)
    permanent_profile_id: PermanentProfileId = Field(default_factory=bool)
    origins: Origins = Field(default_factory=list)
    rate_limit: RateLimit = Field(default_factory=lambda: None)
    tags: Tags = Field(default_factory=list)


B = TypeVar("B", bound=_Body)


class SourceEndpoints:
    """Lists, adds, changes and removes sources. A source that does not exist is 404 with the body `null`."""

    def __init__(self, tracker: Tracker, reads: Reads, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tracker = tracker
        self._reads = reads
        self._now = now

    async def list(self, request: Request) -> Response:
        page = query(request, SourcesQuery)
        sources = [source for source in self._reads.sources() if page.id in (None, source.id)]
        sources.sort(key=lambda source: (source.metadata.time.insert, source.id), reverse=True)
        first = page.cursor or 0
        shown = sources[first : first + page.limit]
        following = str(first + page.limit) if first + page.limit < len(sources) else None
        return json_answer(msgspec.json.encode({"total": len(sources), "result": shown, "next": following}))

    async def get(self, request: Request) -> Response:
        source_id, _ = id_and_query(request, Query)
        return self._answer(source_id)

    async def add(self, request: Request) -> Response:
        query(request, Query)
        body = await _body(request, SourceBody)
        source_id, now = body.id or str(uuid.uuid4()), timestamp(self._now())
        source = Source(source_id, body.name).edited(body.fields(), now)
        if not await self._administer(AddSource(source.added(now))):
            raise conflict(f"The source {source_id} exists already: PATCH /event-source/{source_id} changes it.")
        return self._answer(source_id)

    async def replace(self, request: Request) -> Response:
        return await self._edit(request, SourceReplacement)

    async def change(self, request: Request) -> Response:
        return await self._edit(request, SourceChanges)

    async def _edit(self, request: Request, kind: type[SourceReplacement | SourceChanges]) -> Response:
        """The writer applies the fields to the source as it is stored then, so that no concurrent change is lost."""
        (source_id, _), body = id_and_query(request, Query), await _body(request, kind)
        if body.id is not None and body.id != source_id:
            message = f"should be left out, or {source_id} as in the address"
            raise invalid([{"loc": ["body", "id"], "msg": message, "type": "value_error"}])
        fields = body.fields()
        if fields and not await self._administer(EditSource(source_id, fields, timestamp(self._now()))):
            return not_found()
        return self._answer(source_id)

    async def remove(self, request: Request) -> Response:
        source_id, _ = id_and_query(request, Query)
        return JSONResponse({"id": source_id}) if await self._administer(RemoveSource(source_id)) else not_found()

    def _answer(self, source_id: str) -> Response:
        source = next((source for source in self._reads.sources() if source.id == source_id), None)
        return not_found() if source is None else json_answer(msgspec.json.encode(source))

    async def _administer(self, change: SourceChange) -> bool:
        """Returns whether the change is written, and in force. Raises HttpError."""
        answer = await self._tracker.ask(Administer(self._tracker.next_number(), change))
        if not isinstance(answer, Administered):
            raise aborted(answer)
        return not answer.stale


async def _body(request: Request, kind: type[B]) -> B:
    """The validated body. Raises HttpError."""
    headers: Headers = dict(request.scope["headers"])
    check_content_type(headers)
    body = (await receive_body(headers, request.receive, MAX_BODY_BYTES)).decoded()
    check_nesting(body, MAX_NESTING)
    try:
        return kind.model_validate_json(readable_json(body))
    except ValidationError as error:
        found = faults(error, "body")
    if issubclass(kind, SourceReplacement):
        found = [{**fault, "msg": REQUIRED} if fault["type"] == "missing" else fault for fault in found]
    raise invalid(found)
