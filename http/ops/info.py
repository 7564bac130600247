"""What runs here."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Info:
    """`versions`: of trackd as `version`, and of what it stands on, by name."""

    def __init__(self, versions: Mapping[str, str]) -> None:
        self._versions = versions

    async def version(self, request: Request) -> Response:
        return JSONResponse(self._versions)
