"""The live page as a browser uses it, without one: logins, cookies and forms."""

import contextlib
import re
from collections.abc import AsyncIterator
from html import unescape
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

SHOP = Source(SOURCE_ID, "a <b>shop</b>")


@contextlib.asynccontextmanager
async def live_page(path: Path, source: Source = SHOP, **server: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A server with a source on a new file, and a client without a token. Others are settings of the server."""
    with Sources(path, create=True) as sources:
        sources.add(source)
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


def address_in(page: httpx.Response, attribute: str, name: str) -> str:
    """The first address of a page in an attribute that begins with `name`."""
    found = re.search(rf'{attribute}="({re.escape(name)}[^"]*)"', page.text)
    assert found is not None, f"no {name} in {page.text}"
    return f"/ui/{unescape(found[1])}"


async def send_form(client: httpx.AsyncClient, page: httpx.Response, name: str, **fields: str) -> httpx.Response:
    """Send the form of a page whose address begins with `name`: its hidden fields as they are, and other fields."""
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return await client.post(address_in(page, "action", name), data={**hidden, **fields})
