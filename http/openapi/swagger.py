"""GET /docs: Swagger UI for `/openapi.json`, with the files of the package flask-swagger-ui.

Flask is not imported. The page loads nothing from other hosts, and its Content-Security-Policy forbids it.
"""

import asyncio
import importlib.util
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from trackd.http.errors import unknown_path
from trackd.http.paths import ENDS_WITH_SLASH

START = "start.js"
FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    START: "text/javascript",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>trackd</title>
<link rel="icon" type="image/png" href="{folder}favicon-32x32.png?{version}">
<link rel="stylesheet" href="{folder}swagger-ui.css?{version}">
<script src="{folder}swagger-ui-bundle.js?{version}" defer></script>
<script src="{folder}start.js" defer></script>
</head>
<body><div id="swagger-ui"></div></body>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
"""
# Swagger UI sets styles on elements, and its style sheet has icons as data URLs.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FOR_A_YEAR = {
    "cache-control": "public, max-age=31536000, immutable"
}  # the page requests them with their version in the query
FRESH = {"cache-control": "no-cache"}
PIECE_BYTES = 32_768


class PiecewiseResponse(Response):
    """Sends its body piece by piece: a connection whose client does not read holds no more than a piece."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for begin in range(0, len(self.body), PIECE_BYTES):
            piece = bytes(self.body[begin : begin + PIECE_BYTES])
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # other requests pass, also when the client reads fast
        await send({"type": "http.response.body"})


async def page(request: Request) -> Response:
    version = (_folder() / "VERSION").read_text().strip()
    folder = "" if request.scope[ENDS_WITH_SLASH] else "docs/"
    return HTMLResponse(
        PAGE.format(version=version, folder=folder), headers={"content-security-policy": POLICY, **FRESH}
    )


async def file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in FILES:
        raise unknown_path()
    if name == START:
        return Response(SCRIPT, media_type=FILES[name], headers=FRESH)
    return PiecewiseResponse(_content(name), media_type=FILES[name], headers=FOR_A_YEAR)


@lru_cache
def _content(name: str) -> bytes:
    """Kept in memory: an open file for each unread answer would take those of connections."""
    return (_folder() / name).read_bytes()


def _folder() -> Path:
    package = importlib.util.find_spec("flask_swagger_ui")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("dist")
