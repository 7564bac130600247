"""The endpoints that manage event sources. A change is in force when it is answered."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trackd.actors.messages import Administer, Administered
from trackd.actors.tracker import Tracker
from trackd.core.changes import PutSource, RemoveSource
from trackd.core.documents import Source, source_metadata, timestamp
from trackd.core.source_checks import MAX_RATE, MIN_RATE, checked_id, checked_origins, checked_rate
from trackd.http.api.documents import json_answer
from trackd.http.api.parameters import PageQuery, Query, faults, path_id, query
from trackd.http.body import Headers, check_content_type, check_nesting, read_body
from trackd.http.errors import aborted, conflict, invalid, not_found
from trackd.storage.store import Reads

MAX_BODY_BYTES = 65_536
MAX_NESTING = 8

# JSON Schema has no notion of printable text and of origins: `format` names them, and readers may ignore it.
SOURCE_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S", "format": "printable"}
ORIGIN = {"type": "string", "minLength": 1, "format": "origin"}
RATE = {"type": "number", "minimum": MIN_RATE, "maximum": MAX_RATE}

Text = Annotated[str, StringConstraints(max_length=1_000)]


class SourceBody(BaseModel):
    """The body that adds or replaces a source. Without `id` the server makes one; `metadata` is ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, AfterValidator(checked_id), WithJsonSchema(SOURCE_ID)] | None = None
    name: Annotated[Text, StringConstraints(min_length=1)]
    description: Text = ""
    enabled: bool = True
    consent: bool = Field(False, description="Whether its events need consent.")
    returns_profile: bool = Field(False, description="Whether answers may carry the profile.")
    permanent_profile_id: bool = Field(False, description="Whether new profiles take the id that the client sends.")
    origins: Annotated[list[Annotated[Text, WithJsonSchema(ORIGIN)]], AfterValidator(checked_origins)] = Field(
        default_factory=list,
        max_length=1_000,
        description="Origins that browsers may send from, also `https://*.shop.example`; none means any.",
    )
    rate_limit: Annotated[float, AfterValidator(checked_rate), WithJsonSchema(RATE)] | None = Field(
        None, description="Calls per second."
    )
    tags: list[Text] = Field(default_factory=list, max_length=1_000)
    metadata: Any = None

    def source(self, source_id: str, inserted: str, updated: str) -> Source:
        fields: dict[str, Any] = self.model_dump(exclude={"id", "metadata"})
        fields |= {"origins": tuple(self.origins), "tags": tuple(self.tags)}
        return Source(id=source_id, metadata=source_metadata(inserted, updated), **fields)


class SourceEndpoints:
    """Lists, adds, replaces and removes sources. A source that does not exist is 404 with the body `null`."""

    def __init__(self, tracker: Tracker, reads: Reads, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._tracker = tracker
        self._reads = reads
        self._now = now

    async def list(self, request: Request) -> Response:
        page = query(request, PageQuery)
        sources = sorted(
            self._reads.sources(), key=lambda source: (source.metadata.time.insert, source.id), reverse=True
        )
        first = page.cursor or 0
        shown = sources[first : first + page.limit]
        following = str(first + page.limit) if first + page.limit < len(sources) else None
        return json_answer(msgspec.json.encode({"total": len(sources), "result": shown, "next": following}))

    async def get(self, request: Request) -> Response:
        query(request, Query)
        source = self._source(path_id(request))
        return not_found() if source is None else json_answer(msgspec.json.encode(source))

    async def add(self, request: Request) -> Response:
        query(request, Query)
        body = await _body(request)
        source_id = body.id or str(uuid.uuid4())
        if self._source(source_id) is not None:
            raise conflict(f"The source {source_id} exists already: PUT /event-source/{source_id} changes it.")
        now = timestamp(self._now())
        return await self._put(body.source(source_id, now, now))

    async def change(self, request: Request) -> Response:
        """Replaces all fields: those that the body leaves out get their defaults."""
        query(request, Query)
        source_id, body = path_id(request), await _body(request)
        if body.id is not None and body.id != source_id:
            message = f"should be left out, or {source_id} as in the path"
            raise invalid([{"loc": ["body", "id"], "msg": message, "type": "value_error"}])
        before = self._source(source_id)
        if before is None:
            return not_found()
        return await self._put(body.source(source_id, before.metadata.time.insert, timestamp(self._now())))

    async def remove(self, request: Request) -> Response:
        query(request, Query)
        source_id = path_id(request)
        if self._source(source_id) is None:
            return not_found()
        await self._administer(RemoveSource(source_id))
        return JSONResponse({"id": source_id})

    def _source(self, source_id: str) -> Source | None:
        return next((source for source in self._reads.sources() if source.id == source_id), None)

    async def _put(self, source: Source) -> Response:
        await self._administer(PutSource(source))
        return json_answer(msgspec.json.encode(source))

    async def _administer(self, change: PutSource | RemoveSource) -> None:
        answer = await self._tracker.ask(Administer(self._tracker.next_number(), change))
        if not isinstance(answer, Administered):
            raise aborted(answer)


async def _body(request: Request) -> SourceBody:
    headers: Headers = dict(request.scope["headers"])
    check_content_type(headers)
    body = await read_body(headers, request.receive, MAX_BODY_BYTES)
    check_nesting(body, MAX_NESTING)
    try:
        return SourceBody.model_validate_json(body)
    except ValidationError as error:
        raise invalid(faults(error, "body")) from None
