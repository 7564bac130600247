"""The view Sources: the senders of events."""

from starlette.requests import Request
from starlette.responses import Response

from trackd.http.ui.pages import Pages
from trackd.storage.store import Reads


class SourcePages:
    def __init__(self, pages: Pages, reads: Reads) -> None:
        self._pages = pages
        self._reads = reads

    async def list(self, request: Request) -> Response:
        sources = sorted(self._reads.sources(), key=lambda source: (source.metadata.time.insert, source.id))
        return await self._pages.page(request, "sources.html", view="sources", sources=sources)
