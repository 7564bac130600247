"""`trackd ui`: a link that opens the live page."""

import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, DatabaseFile, checked_text, database_path, load_settings
from trackd.cli.output import echo
from trackd.config.settings import Settings
from trackd.core.documents import TokenScope
from trackd.storage.sqlite.lock import DatabaseLock
from trackd.storage.sqlite.tokens import Tokens

ANY_HOST = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  as a URL has them


def _checked_url(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        parts = urlsplit(checked_text(value.strip()))
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        is_url = False
    if not is_url or not value.strip().isprintable():
        raise typer.BadParameter("must be the address of trackd, such as https://collect.example.")
    return value.strip().rstrip("/")


def ui(
    scope: Annotated[Literal["read", "admin"], typer.Option(help="read: the page can change nothing.")] = "admin",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The address of trackd, such as https://collect.example.  [default: that of its last start]",
            show_default=False,
            callback=_checked_url,
        ),
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the link in a browser too.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Print a link that opens the live page, once and within 30 minutes."""
    path = database_path(db, config)
    settings = load_settings(config, database={"path": db}).settings
    if not settings.ui.enabled:
        raise CommandError("There is no live page: the setting ui.enabled is false.")
    with Tokens(path) as tokens:
        page = f"{url}/ui/" if url else tokens.page() or page_url(_urls(settings), settings.server.root_path)
        link = f"{page}#k={tokens.add_link(TokenScope(scope))}"
    if not DatabaseLock(path).is_held():
        echo("No server runs on this file: start `trackd serve` first.", err=True)
    echo("This link opens the live page, once and within 30 minutes:", err=True)
    echo(link)
    if open_browser:
        webbrowser.open(link)


def page_url(urls: Sequence[str], root_path: str) -> str:
    """The URL of the live page on this machine, for a server that listens at these URLs."""
    parts = urlsplit(urls[0])
    host, _, port = parts.netloc.rpartition(":")
    return f"{parts.scheme}://{ANY_HOST.get(host, host)}:{port}{root_path}/ui/"


def open_in_background(link: str) -> None:
    """Open a link in a browser, which may take as long as it likes."""
    threading.Thread(target=webbrowser.open, args=(link,), daemon=True).start()


def _urls(settings: Settings) -> list[str]:
    server = settings.server
    return [f"http://{f'[{host}]' if ':' in host else host}:{server.port}" for host in server.hosts]


def make_link(path: Path, page: str) -> str:
    """A new link to the live page at this URL, which may change everything."""
    with Tokens(path) as tokens:
        return f"{page}#k={tokens.add_link(TokenScope.ADMIN)}"
