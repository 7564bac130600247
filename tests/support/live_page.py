"""The live page as a browser uses it, without one: logins, cookies and forms."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.support.payloads import SOURCE_ID
from tests.support.serving import ADMIN_SECRET, serving
from trackd.config.settings import Server, Settings
from trackd.core.documents import Source, TokenScope
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.store import SqliteStore
from trackd.storage.sqlite.tokens import Tokens


@contextlib.asynccontextmanager
async def live_page(path: Path, **server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server with a source on a new file, and a client without a token. Arguments are settings of the server."""
    with Sources(path, create=True) as sources:
        sources.add(Source(SOURCE_ID, "a <b>shop</b>"))
    settings = Settings(server=Server(drain_ms=0, **server))
    async with serving(SqliteStore(path), settings, admin=True) as client:
        del client.headers["authorization"]
        client.headers["accept"] = "text/html"
        yield client


def new_key(path: Path, scope: TokenScope = TokenScope.ADMIN) -> str:
    """The key of a new link."""
    with Tokens(path) as tokens:
        return tokens.add_link(scope)


async def log_in(client: httpx.AsyncClient, **form: str) -> httpx.Response:
    """Exchange the fields of the form, those of an administrator's token without any."""
    return await client.post("/ui/login", data=form or {"token": ADMIN_SECRET})


async def form_token(client: httpx.AsyncClient, page: str = "/ui/sources") -> str:
    """The hidden text that the forms of a page carry."""
    answer = await client.get(page)
    [found, *_] = re.findall(r'name="form_token" value="([0-9a-f]+)"', answer.text)
    return str(found)
