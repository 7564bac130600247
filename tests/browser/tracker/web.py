"""A small web server for tests: a site whose pages have the tracker script, and a collector that fails on demand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from msgspec import Struct

TAG = '<script defer src="{collector}/tracker.js" data-source="{source}"{attributes}></script>'
HTML = "text/html; charset=utf-8"


class Asked(Struct, frozen=True):
    """A request. `headers` have names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answered(Struct, frozen=True):
    status: int
    body: bytes = b""
    headers: dict[str, str] = {}


Handler = Callable[[Asked], Awaitable[Answered | None]]


@contextlib.asynccontextmanager
async def web(handler: Handler) -> AsyncIterator[int]:
    """Serve on a port of 127.0.0.1. Where the handler returns None the connection is closed without an answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            answer = await handler(await read_request(reader))
            if answer is not None:
                lines = {**answer.headers, "Content-Length": str(len(answer.body)), "Connection": "close"}
                head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode() + answer.body)
                await writer.drain()

    tasks: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(
        lambda reader, writer: tasks.append(asyncio.create_task(serve(reader, writer))), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))


class Site:
    """Pages with any path, which have the tracker script of a collector; a test may change what they are."""

    def __init__(self, collector: str, source: str) -> None:
        self.collector, self.source = collector, source
        self.attributes = ""
        self.content = "<h1>A page</h1>"
        self.headers: dict[str, str] = {}
        self.url = ""

    async def answer(self, asked: Asked) -> Answered:
        if asked.path == "/favicon.ico":
            return Answered(204)
        tag = TAG.format(collector=self.collector, source=self.source, attributes=self.attributes)
        page = f"<!doctype html><html lang='en'><title>Page {asked.path}</title>{tag}{self.content}</html>"
        return Answered(200, page.encode(), {"Content-Type": HTML, **self.headers})


class Collector:
    """A real trackd behind a front that a test can let fail. `calls` has the requests to /track that arrived.

    `failures` are for the next calls, one each: a status for an answer without the call being passed on, "lost" for a
    call that is passed on and whose answer is lost, "away" for one that arrives nowhere, "slow" for one that does not
    arrive while the test runs.
    """

    def __init__(self, server: str) -> None:
        self._client = httpx.AsyncClient(base_url=server)
        self.calls: list[Asked] = []
        self.failures: list[int | str] = []
        self.is_away = False
        self.headers: dict[str, str] = {}
        self.url = ""

    async def answer(self, asked: Asked) -> Answered | None:
        failure: int | str | None = None
        if asked.path.startswith("/track?") and asked.method == "POST":
            self.calls.append(asked)
            failure = "away" if self.is_away else self.failures.pop(0) if self.failures else None
        if failure == "away":
            return None
        if failure == "slow":
            await asyncio.Event().wait()
        if isinstance(failure, int):
            return Answered(failure, b'{"detail": "later"}', {**allowed(asked), **self.headers})
        kept = {name: value for name, value in asked.headers.items() if name not in ("host", "connection")}
        answer = await self._client.request(asked.method, asked.path, headers=kept, content=asked.body)
        if failure == "lost":
            return None
        dropped = ("content-length", "content-encoding", "transfer-encoding", "connection")
        headers = {name: value for name, value in answer.headers.items() if name not in dropped}
        return Answered(answer.status_code, answer.content, headers)

    async def close(self) -> None:
        await self._client.aclose()


def allowed(asked: Asked) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": asked.headers["origin"], "Access-Control-Expose-Headers": "retry-after"}
