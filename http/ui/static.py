"""The files of the live page that browsers load. They are public, and the same for all installations of a version."""

from starlette.requests import Request
from starlette.responses import Response

from trackd.http.errors import unknown_path
from trackd.http.pieces import PIECE_BYTES
from trackd.http.ui.etags import has_current
from trackd.ui.assets import asset

FOR_A_YEAR = "public, max-age=31536000, immutable"  # pages request them with their version in the query
FRESH = "no-cache"


async def file(request: Request) -> Response:
    found = asset(request.path_params["name"])
    if found is None:
        raise unknown_path()
    assert len(found.content) <= PIECE_BYTES, "a larger file is sent in pieces"
    tag = f'"{found.version}"'
    headers = {
        "etag": tag,
        "cache-control": FOR_A_YEAR if request.url.query == found.version else FRESH,
        "cross-origin-resource-policy": "same-origin",
    }
    if has_current(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)
