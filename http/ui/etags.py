"""Files that a browser has already."""

from starlette.requests import Request


def has_current(request: Request, tag: str) -> bool:
    """Whether the client has the content with this ETag, in quotes: it is answered 304."""
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    return bool(known & {tag, "*"})
