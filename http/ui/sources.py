"""The view Sources: the senders of events, what they may do, and examples that send their first event."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trackd.actors.messages import Administer, Administered
from trackd.actors.tracker import Tracker
from trackd.core.documents import Source, timestamp
from trackd.core.source_changes import AddSource, EditSource, SourceChange
from trackd.http.errors import aborted, unknown_path
from trackd.http.ui.errors import CHANGED_MEANWHILE, FAULTY_FORM
from trackd.http.ui.guard import FORM, Form
from trackd.http.ui.pages import Pages, link
from trackd.http.ui.snippets import base_url, snippets
from trackd.http.ui.source_forms import SourceForm, changed_fields, form_of, read
from trackd.storage.listings import EventFilter, PageRequest, QueryPool
from trackd.storage.store import Reads

EXISTS = "There is a source with this id already: choose another one, or leave it empty."
CHANGED = "The source was changed meanwhile, and nothing was saved: compare, and save again."


class SourcePages:
    def __init__(
        self,
        pages: Pages,
        tracker: Tracker,
        reads: Reads,
        queries: QueryPool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pages = pages
        self._tracker = tracker
        self._reads = reads
        self._queries = queries
        self._now = now

    async def list(self, request: Request) -> Response:
        sources = sorted(self._reads.sources(), key=lambda source: (source.metadata.time.insert, source.id))
        stored = self._stored_since_start()
        return await self._page(request, "sources.html", sources=sources, stored=stored)

    async def new(self, request: Request) -> Response:
        return await self._page(request, "source_new.html", form=SourceForm(), error="")

    async def add(self, request: Request) -> Response:
        form = read(request.scope[FORM])
        if not form.faults:
            source_id, now = form.fields["id"] or str(uuid.uuid4()), timestamp(self._now())
            source = Source(source_id, form.fields["name"]).edited({**form.fields, "id": source_id}, now)
            if await self._administer(AddSource(source.added(now))):
                return _to_source(source_id)
            form = replace(form, faults={"id": EXISTS})
        return await self._page(request, "source_new.html", FAULTY_FORM, form=form, error="")

    async def show(self, request: Request) -> Response:
        source = self._source(request.query_params.get("id", ""))
        return await self._show(request, source, form_of(source))

    async def change(self, request: Request) -> Response:
        sent: Form = request.scope[FORM]
        source, form = self._source(sent.get("id", "")), read(sent)
        if not form.faults and sent.get("updated") != source.metadata.time.update:
            return await self._show(request, source, form, CHANGED_MEANWHILE, CHANGED)
        if form.faults:
            return await self._show(request, source, form, FAULTY_FORM)
        await self._edit(source.id, changed_fields(form, form_of(source)))
        return _to_source(source.id)

    async def set_state(self, request: Request) -> Response:
        sent: Form = request.scope[FORM]
        source = self._source(sent.get("id", ""))
        await self._edit(source.id, {"enabled": sent.get("enabled") == "yes"})
        return _to_source(source.id)

    async def _show(
        self, request: Request, source: Source, form: SourceForm, status: int = 200, error: str = ""
    ) -> Response:
        base = base_url(request)
        return await self._page(
            request,
            "source.html",
            status,
            source=source,
            form=form,
            error=error,
            base=base,
            snippets=snippets(source.id, base),
            event=await self._last_event(source.id),
        )

    async def _page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        return await self._pages.page(request, template, status, view="sources", **values)

    async def _last_event(self, source_id: str) -> Any:
        """The newest event of a source; None when none is found among the newest events of all."""
        page = await self._queries.read("events", EventFilter(source=source_id), PageRequest(limit=1))
        return next(iter(msgspec.json.decode(page.documents)), None)

    def _stored_since_start(self) -> dict[str, int]:
        """The events that were stored, by source."""
        numbers: dict[str, int] = {}
        for (source_id, outcome), number in self._tracker.tally.events.items():
            if outcome in ("stored", "invalid"):
                numbers[source_id] = numbers.get(source_id, 0) + number
        return numbers

    def _source(self, source_id: str) -> Source:
        """Raises HTTPException when there is none."""
        found = next((source for source in self._reads.sources() if source.id == source_id), None)
        if found is None:
            raise unknown_path()
        return found

    async def _edit(self, source_id: str, fields: dict[str, Any]) -> None:
        if not await self._administer(EditSource(source_id, fields, timestamp(self._now()))):
            raise unknown_path()

    async def _administer(self, change: SourceChange) -> bool:
        """Returns whether the change is written, and in force. Raises HttpError."""
        answer = await self._tracker.ask(Administer(self._tracker.next_number(), change))
        if not isinstance(answer, Administered):
            raise aborted(answer)
        return not answer.stale


def _to_source(source_id: str) -> Response:
    return RedirectResponse(link("source", id=source_id), 303)
