"""GET /openapi.json."""

from collections.abc import Mapping, Sequence

import anyio.to_thread
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trackd.http.api.documents import json_answer


class ApiDescription:
    """The endpoint. The description is built in a thread at the first request, not at the start: it takes long.

    `versions` has trackd's own version as `version`.
    """

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions
        self._body = b""

    async def get(self, request: Request) -> Response:
        if not self._body:
            self._body = await anyio.to_thread.run_sync(self._describe, request.app.routes)
        return json_answer(self._body)

    def _describe(self, routes: Sequence[Route]) -> bytes:
        from trackd.http.openapi.description import (
            describe,
        )  # not at the top: its models take time and memory that most processes never need

        return to_json(describe(routes, self._versions["version"]))
