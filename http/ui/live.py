"""The view Live: the newest events, which a module of the page follows, and what was not stored."""

from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from trackd.actors.messages import Fetch, Fetched
from trackd.actors.tracker import Tracker
from trackd.core.document_shapes import Owner
from trackd.core.documents import Source
from trackd.core.short_texts import MAX_TEXT, properties, shortened
from trackd.http.errors import aborted, unknown_path
from trackd.http.ui.pages import Pages
from trackd.http.ui.refusal_rows import refusal_rows
from trackd.http.ui.snippets import Snippet, base_url, snippets
from trackd.storage.listings import EventFilter, Listings, Page, PageRequest, QueryPool, RefusalFilter
from trackd.storage.store import Reads

EVENTS, REFUSALS = 50, 20  # rows
PAGE_BYTES = 1_048_576  # of documents that a page is made from
MAX_DOCUMENT = 262_144  # characters of a document that are shown
MAX_FILTER = 255  # characters, as of the parameters of the feed
EXAMPLES = ("curl", "script")
STATES = {"collected": ("stored", ""), "validated": ("validated", "good"), "invalid": ("invalid", "bad")}
"""What pages call the status of an event, and the style of that word."""


class _Times(Struct):
    create: str
    insert: str


class _Rule(Struct):
    id: str
    changed: list[str]
    more: int = 0


class _Metadata(Struct):
    time: _Times
    status: str
    reasons: list[Any] | None = None
    rules: list[_Rule] | None = None


class _Event(Struct):
    """An event as far as the page shows it field by field."""

    id: str
    type: str
    profile: Owner
    session: Owner
    source: Owner
    metadata: _Metadata
    properties: Raw


class EventRow(Struct, frozen=True):
    """An event as a row of the table. `source` is a name, `profile` an id, which is empty after an erasure."""

    id: str
    type: str
    profile: str
    source: str
    inserted: str
    status: str
    reasons: str
    properties: str


_event = msgspec.json.Decoder(_Event).decode
_events = msgspec.json.Decoder(list[_Event]).decode
PATTERN = EventRow("-", "", "-", "", "", "collected", "", "")  # the module fills copies of its row


class LiveFilter(Struct, frozen=True):
    """What the page shows: the events that match, from a cursor on; None: the newest ones."""

    type: str
    source: str
    status: str
    cursor: int | None

    @classmethod
    def read(cls, query: QueryParams) -> Self:
        """Without faults: values that the form does not have are left out, and the form shows what is in force."""
        status, cursor = query.get("status", ""), query.get("cursor", "")
        return cls(
            query.get("type", "")[:MAX_FILTER],
            query.get("source", "")[:MAX_FILTER],
            status if status in STATES else "",
            int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else None,
        )

    @property
    def query(self) -> dict[str, str]:
        """The parameters, without the cursor."""
        found = {"type": self.type, "source": self.source, "status": self.status}
        return {name: value for name, value in found.items() if value}

    @property
    def events(self) -> EventFilter:
        return EventFilter(self.type or None, self.source or None, self.status or None)

    @property
    def refusals(self) -> RefusalFilter:
        return RefusalFilter(source=self.source or None, type=self.type or None)


class LivePages:
    def __init__(
        self,
        pages: Pages,
        tracker: Tracker,
        reads: Reads,
        listings: Listings,
        queries: QueryPool,
        kept_refusals: int,
    ) -> None:
        """`listings` reads single documents in the event loop, `queries` lists outside of it."""
        self._pages = pages
        self._tracker = tracker
        self._reads = reads
        self._listings = listings
        self._queries = queries
        self._kept_refusals = kept_refusals

    async def show(self, request: Request) -> Response:
        matching = LiveFilter.read(request.query_params)
        sources = sorted(self._reads.sources(), key=lambda source: (source.name, source.id))
        names = {source.id: source.name for source in sources}
        # Read before the list: an event that is stored between both is in the list and in the feed, and the module
        # leaves out what the list has. The other way round it would be in neither.
        head = self._listings.feed_head()
        events: Page = await self._queries.read(
            "events", matching.events, PageRequest(matching.cursor, EVENTS, PAGE_BYTES)
        )
        refusals: Page = await self._queries.read(
            "refusals", matching.refusals, PageRequest(None, REFUSALS, PAGE_BYTES)
        )
        rows = [_row(event, names) for event in _events(events.documents)]
        has_none = not rows and not matching.query and matching.cursor is None
        base = base_url(request)
        return await self._pages.page(
            request,
            "live.html",
            view="live",
            matching=matching,
            query=urlencode(matching.query),
            head=head.text if matching.cursor is None else "",
            rows=rows,
            pattern=PATTERN,
            older="" if events.next is None else urlencode({**matching.query, "cursor": events.next}),
            refusals=refusal_rows(refusals.documents, names),
            kept_refusals=self._kept_refusals,
            names=names | ({} if matching.source in {"", *names} else {matching.source: matching.source}),
            states=STATES,
            base=base,
            snippets=_examples(sources, base) if has_none else [],
        )

    async def event(self, request: Request) -> Response:
        """An event: its document, the rules that ran for it, and its profile as it is now."""
        document = self._listings.event(request.query_params.get("id", ""))
        if document is None:
            raise unknown_path()
        event = _event(document)
        profile = await self._profile(event.profile.id) if event.profile.id else None
        return await self._pages.page(
            request,
            "event.html",
            view="live",
            event=event,
            source=next((source for source in self._reads.sources() if source.id == event.source.id), None),
            document=_indented(document),
            profile=None if profile is None else _indented(profile),
            states=STATES,
        )

    async def _profile(self, profile_id: str) -> str | None:
        """The document of a profile, as it is committed. Raises HttpError."""
        answer = await self._tracker.ask(Fetch(self._tracker.next_number(), profile_id))
        if not isinstance(answer, Fetched):
            raise aborted(answer)
        return None if answer.profile is None else bytes(answer.profile.doc_json).decode(errors="replace")


def _row(event: _Event, names: Mapping[str, str]) -> EventRow:
    metadata = event.metadata
    return EventRow(
        event.id,
        event.type,
        event.profile.id,
        names.get(event.source.id, event.source.id),
        metadata.time.insert,
        metadata.status,
        shortened("; ".join(map(str, metadata.reasons or ())), MAX_TEXT),
        properties(bytes(event.properties)),
    )


def _examples(sources: list[Source], base: str) -> list[Snippet]:
    """Examples that send a first event: of any source that takes events."""
    source = next((source for source in sources if source.enabled), None)
    return [] if source is None else [each for each in snippets(source.id, base) if each.name in EXAMPLES]


def _indented(document: str) -> str:
    """A document with a line for each member. Numbers are shown as they are stored."""
    try:
        text = msgspec.json.format(document, indent=2)
    except (msgspec.DecodeError, RecursionError):  # of another tool
        text = document
    return shortened(text, MAX_DOCUMENT)
