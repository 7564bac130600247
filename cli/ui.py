"""`trackd ui`: a link that opens the live page."""

import threading
import webbrowser
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from trackd.cli.administration import tokens_of
from trackd.cli.errors import CommandError
from trackd.cli.job_places import place_of
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, settings_of_store
from trackd.cli.output import echo
from trackd.cli.server_url import checked_url, local_url
from trackd.config.settings import Settings
from trackd.core.documents import TokenScope
from trackd.http.server.listening import UNIX, unix_url


def ui(
    scope: Annotated[Literal["read", "admin"], typer.Option(help="read: the page can change nothing.")] = "admin",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The address of trackd, such as https://collect.example.  [default: that of its last start]",
            show_default=False,
            callback=checked_url,
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the link in a browser too.")] = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Print a link that opens the live page, once and within 30 minutes."""
    settings = settings_of_store(db, store, config)
    if not settings.ui.enabled:
        raise CommandError("There is no live page: the setting ui.enabled is false.")
    with tokens_of(settings) as tokens:
        page = _page_at(url, settings.server.root_path) if url else tokens.page() or _page_of(settings)
        if page.startswith(UNIX):
            raise CommandError(
                f"The server listens on the Unix socket {page.removeprefix(UNIX)}, which no browser can open: name the "
                "address of the proxy in front of it with --url."
            )
        link = f"{page}#k={tokens.add_link(TokenScope(scope))}"
    if not place_of(settings).is_served():
        echo(
            f"No server runs on this {'database' if settings.store.url else 'file'}: start `trackd serve` first.",
            err=True,
        )
    echo("This link opens the live page, once and within 30 minutes:", err=True)
    echo(link)
    if open_browser:
        webbrowser.open(link)


def page_url(urls: Sequence[str], root_path: str) -> str:
    """The URL of the live page on this machine, for a server that listens at these URLs.

    That of the Unix socket if it has no other: only its proxy has an address for browsers.
    """
    url = next((each for each in urls if not each.startswith(UNIX)), None)
    if url is None:
        return urls[0]
    host, _, port = urlsplit(url).netloc.rpartition(":")
    return f"{local_url([host.strip('[]')], int(port))}{root_path}/ui/"


def open_in_background(link: str) -> None:
    """Open a link in a browser, which may take as long as it likes."""
    threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()


def _page_at(url: str, root_path: str) -> str:
    """The URL of the live page of a server; its address may be that of the page already."""
    is_page = url.endswith("/ui") and not root_path.endswith("/ui")
    return f"{url}/" if is_page else f"{url}/ui/"


def _page_of(settings: Settings) -> str:
    server = settings.server
    if server.uds:
        return unix_url(server.uds)
    return f"{local_url(server.hosts, server.port)}{server.root_path}/ui/"


def make_link(settings: Settings, page: str) -> str:
    """A new link to the live page at this URL, which may change everything."""
    with tokens_of(settings) as tokens:
        return f"{page}#k={tokens.add_link(TokenScope.ADMIN)}"
