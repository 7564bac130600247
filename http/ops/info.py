"""GET /info/version: the versions of trackd and of the software under it."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Info:
    """`versions` maps names to versions; trackd's own is `version`."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions

    async def version(self, request: Request) -> Response:
        return JSONResponse(self._versions)
