"""The view Live: the newest events and refusals, which a module of the page follows, and the page of an event."""

import heapq
from datetime import UTC, datetime
from operator import attrgetter
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from trackd.actors.tracker import Tracker
from trackd.core.documents import Source, timestamp
from trackd.core.short_texts import shortened
from trackd.http.api.documents import committed_profile
from trackd.http.errors import unknown_path
from trackd.http.ui.live_filter import NOT_STORED, STATES, LiveFilter
from trackd.http.ui.pages import Pages
from trackd.http.ui.refusal_rows import REFUSAL_PATTERN, RefusalRow, refusal_rows
from trackd.http.ui.shown_events import EVENT_PATTERN, ShownEvent, shown_event, shown_events
from trackd.http.ui.snippets import Snippet, base_url, snippets
from trackd.http.ui.values import cut, name_of
from trackd.storage.listings import Listings, Page, PageRequest, QueryPool
from trackd.storage.store import Reads

EVENTS = 50  # rows
REFUSALS = 200  # that are read for a page; those of events that are stored as invalid are not shown
PAGE_BYTES = 1_048_576  # of documents that a page is made from
MAX_NAME = 80  # characters of a source in a row
MAX_DOCUMENT = 262_144  # characters of a document that are shown
EXAMPLES = ("script", "curl")
NOTHING = Page(b"[]", None)
Row = ShownEvent | RefusalRow


class LiveRows(Struct, frozen=True):
    """The rows of a page, the newest first.

    `older` are the parameters of the page with those before them, None when there are none. `has_more_refusals`: there
    are more than those shown in the time of this page.
    """

    rows: list[Row]
    older: dict[str, str | int | None] | None
    has_more_refusals: bool


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
        names = {source.id: cut(name_of(source), MAX_NAME) for source in sources}
        # Read before the list: an event that is stored between both is in the list and in the feed, and the module
        # leaves out what the list has. The other way round it would be in neither.
        head = self._listings.feed_head()
        found = await self._rows(matching)
        is_first_visit = not found.rows and not matching.query and matching.is_newest
        base = base_url(request)
        return await self._pages.page(
            request,
            "live.html",
            view="live",
            matching=matching,
            query=urlencode(matching.query),
            feed_query=urlencode(matching.feed_query),
            head=head.text if matching.is_newest else "",
            rows=found.rows,
            patterns=(EVENT_PATTERN, REFUSAL_PATTERN),
            older="" if found.older is None else urlencode(found.older),
            not_stored=urlencode({**matching.query, "status": NOT_STORED}) if found.has_more_refusals else "",
            keeps_refusals=self._kept_refusals > 0,
            now=timestamp(datetime.now(UTC)),
            names=names | ({} if matching.source in {"", *names} else {matching.source: matching.source}),
            states=STATES,
            base=base,
            snippets=_examples(sources, base) if is_first_visit else [],
        )

    async def _rows(self, matching: LiveFilter) -> LiveRows:
        events = refused = NOTHING
        if matching.has_events:
            events = await self._queries.read(
                "events", matching.events, PageRequest(matching.cursor, EVENTS, PAGE_BYTES)
            )
        stored: list[Row] = [*shown_events(events.documents)]
        begin = stored[-1].time if stored and events.next is not None else None
        if matching.has_refusals:
            cursor = None if matching.has_events else matching.cursor
            refused = await self._queries.read(
                "refusals", matching.refusals(begin), PageRequest(cursor, REFUSALS, PAGE_BYTES)
            )
        refusals: list[Row] = [*refusal_rows(refused.documents)]
        rows = list(heapq.merge(stored, refusals, key=attrgetter("time"), reverse=True))
        following = events.next if matching.has_events else refused.next
        before = rows[-1].time if rows else matching.before
        older = {"cursor": following, **({"before": before} if before else {})}
        return LiveRows(
            rows,
            older={**matching.query, **older} if following is not None else None,
            has_more_refusals=matching.has_events and refused.next is not None,
        )

    async def event(self, request: Request) -> Response:
        """An event: its document, the rules that ran for it, and its profile as it is now."""
        query = request.query_params
        document = self._listings.event(query.get("id", ""), query.get("profile"))
        if document is None:
            raise unknown_path()
        event = shown_event(Raw(document))
        profile = await self._profile(event.profile) if event.profile else None
        return await self._pages.page(
            request,
            "event.html",
            view="live",
            event=event,
            source=next((source for source in self._reads.sources() if source.id == event.source), None),
            document=_indented(document),
            profile=None if profile is None else _indented(profile),
            states=STATES,
        )

    async def _profile(self, profile_id: str) -> str | None:
        """The document of a profile, as it is committed. Raises HttpError."""
        profile = await committed_profile(self._tracker, profile_id)
        return None if profile is None else bytes(profile.doc_json).decode(errors="replace")


def _examples(sources: list[Source], base: str) -> list[Snippet]:
    """Examples that send a first event: of any source that takes events."""
    source = next((source for source in sources if source.enabled), None)
    found = {} if source is None else {each.name: each for each in snippets(source.id, base)}
    return [found[name] for name in EXAMPLES if name in found]


def _indented(document: str) -> str:
    """A document with a line for each member. Numbers are shown as they are stored."""
    try:
        text = msgspec.json.format(document, indent=2)
    except (msgspec.DecodeError, RecursionError):  # of another tool
        text = document
    return shortened(text, MAX_DOCUMENT)
