"""GET /openapi.json."""

from collections.abc import Mapping, Sequence

import anyio.to_thread
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trackd.http.api.documents import json_answer


class ApiDescription:
    """Made when it is first asked for, which takes 80 ms: neither the start nor the calls wait for that.

    `versions` has that of trackd as `version`.
    """

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions
        self._body = b""

    async def get(self, request: Request) -> Response:
        if not self._body:
            self._body = await anyio.to_thread.run_sync(self._describe, request.app.routes)
        return json_answer(self._body)

    def _describe(self, routes: Sequence[Route]) -> bytes:
        from trackd.http.openapi.description import describe  # its models are half of the time

        return to_json(describe(routes, self._versions["version"]))
