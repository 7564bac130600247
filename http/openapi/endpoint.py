"""GET /openapi.json."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address

import anyio.to_thread
import msgspec
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trackd.core.documents import Source
from trackd.http.api.documents import json_answer
from trackd.http.openapi.examples import SOURCE_OF_EXAMPLE

PROXY_HEADERS = ("forwarded", "x-forwarded", "x-real-ip", "via")


class ApiDescription:
    """The endpoint. The description is built in a thread at the first request, not at the start: it takes long.

    `versions` has trackd's own version as `version`. `sources` reads the sources: a request from this machine gets an
    example for /track with an existing one. Other requests get none, because an id is the right to send events.
    """

    def __init__(self, versions: Mapping[str, str], sources: Callable[[], Iterable[Source]]) -> None:
        self._versions = versions
        self._sources = sources
        self._body = b""
        self._describing = asyncio.Lock()  # a thousand requests may come before the first one is answered
        self._with_example: tuple[str, bytes] | None = None  # the last one, by the id of its source

    async def get(self, request: Request) -> Response:
        if not self._body:
            async with self._describing:
                self._body = self._body or await anyio.to_thread.run_sync(self._describe, request.app.routes)
        source_id = self._source_of_example() if _is_local(request) else None
        if source_id is None:
            return json_answer(self._body)
        if self._with_example is None or self._with_example[0] != source_id:
            body = self._body.replace(to_json(SOURCE_OF_EXAMPLE), msgspec.json.encode(source_id))
            self._with_example = source_id, body
        return json_answer(self._with_example[1])

    def _describe(self, routes: Sequence[Route]) -> bytes:
        from trackd.http.openapi.description import (
            describe,
        )  # not at the top: its models take time and memory that most processes never need

        return to_json(describe(routes, self._versions["version"]))

    def _source_of_example(self) -> str | None:
        """The oldest source that takes the example from the page /docs."""
        usable = [source for source in self._sources() if source.enabled and not source.origins]
        return min(usable, key=lambda source: source.metadata.time.insert).id if usable else None


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine, neither through a proxy nor from the page of another site."""
    if "origin" in request.headers or any(name.startswith(PROXY_HEADERS) for name in request.headers):
        return False
    try:
        named = request.url.hostname  # that of another site's page, whose name leads here
        return request.client is not None and _is_loopback(request.client.host) and _is_loopback(named or "")
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ip_address(host).is_loopback
