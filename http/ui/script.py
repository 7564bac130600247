"""GET /tracker.js: the script for web pages. It is public, and the same for all sources."""

import re

from starlette.requests import Request
from starlette.responses import Response

from trackd.http.ui.etags import has_current
from trackd.ui.tracker_script import tracker_script

HEADERS = {
    "cache-control": "public, max-age=3600, stale-while-revalidate=86400",
    "access-control-allow-origin": "*",  # with an `Origin` it becomes that one: `http/cors.py`
    "vary": "Accept-Encoding",
}
NEVER = re.compile(r"q=0(\.0*)?")


async def script(request: Request) -> Response:
    found = tracker_script()
    compressed = accepts_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{found.version}-gzip"' if compressed else f'"{found.version}"'
    headers = {**HEADERS, "etag": tag, **({"content-encoding": "gzip"} if compressed else {})}
    if has_current(request, tag):
        return Response(status_code=304, headers={**HEADERS, "etag": tag})
    return Response(found.compressed if compressed else found.plain, headers=headers, media_type="text/javascript")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip, by the value of its header: `gzip;q=0` refuses it, `*` stands for any coding."""
    codings: dict[str, str] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";")
        codings[name] = weight
    found = codings.get("gzip", codings.get("*"))
    return found is not None and NEVER.fullmatch(found) is None
