"""The first start on a store: it makes a source and a token, and prints them once."""

import json
import logging
import os
import sys
import uuid
from collections.abc import Sequence

from trackd.cli.administration import sources_of, tokens_of
from trackd.cli.server_url import curl
from trackd.cli.ui import make_link, open_in_background, page_url
from trackd.config.settings import Settings
from trackd.config.store_url import masked
from trackd.core.documents import Source, TokenScope
from trackd.core.version import __version__
from trackd.http.server.listening import UNIX
from trackd.storage.errors import TokenError
from trackd.storage.store import Reads
from trackd.telemetry.plain_text import plain
from trackd.telemetry.standard_streams import StdoutError, drop_output, is_stdout_shown

log = logging.getLogger(__name__)

JSON = "-H 'Content-Type: application/json'"


def first_source(settings: Settings, store: Reads) -> Source | None:
    """Make a source, if this store never had one."""
    if store.sources_version() != 0:
        return None
    with sources_of(settings) as sources:
        made = sources.add_first(Source(str(uuid.uuid4()), "first source", "made by the first `trackd serve`"))
    if made is None:
        log.info("another node has made the first source, and printed it")
    return made


def lacks_token(settings: Settings) -> bool:
    """Whether this store never had a token."""
    with tokens_of(settings) as tokens:
        return not tokens.ever_made()


def announce(
    urls: Sequence[str], settings: Settings, source: Source | None, needs_token: bool, opens_page: bool
) -> None:
    """Print the source that was made, make and print a token and a link if they are needed, print that it is ready.

    `opens_page`: whether to open the live page in a browser, on a terminal. A token is printed before it is made: its
    secret cannot be read again. What cannot be printed is logged.
    """
    url, all_urls = urls[0], ", ".join(urls)
    stored = masked(settings.store.url) or plain(settings.database.path)
    page = page_url(urls, settings.server.root_path) if settings.ui.enabled else ""
    prints_link = opens_page = opens_page and sys.stdout.isatty()
    if page:
        with tokens_of(settings) as tokens:
            tokens.put_page(page)
    try:
        if source is not None:
            call = {"source": {"id": source.id}, "session": {"id": "my-session"}, "events": [{"type": "page-view"}]}
            print(f"Made a source, its id is {source.id}. Send it an event:\n")
            print(f"  curl {curl(url, '/track')} {JSON} -d '{json.dumps(call)}'\n", flush=True)
        if needs_token and is_stdout_shown():
            needs_token = False
            prints_link = _make_token(settings, url)
        if page and prints_link:
            _show_page(settings, page, opens_page)
        print(f"trackd {__version__} is ready at {all_urls}, database {stored}, pid {os.getpid()}", flush=True)
    except StdoutError as error:
        drop_output()
        log.warning("%s; trackd is ready at %s", error, all_urls)
    if needs_token:
        log.warning(
            "no administration token was made, because it could not be shown on stdout: make one with "
            "`trackd token new NAME --scope admin`"
        )


def _show_page(settings: Settings, page: str, opens: bool) -> None:
    if page.startswith(UNIX):
        print("Browsers open the live page through the proxy: `trackd ui --url ADDRESS` prints a link.\n", flush=True)
        return
    link = make_link(settings, page)
    print("Open the live page. The link is good once, for 30 minutes; `trackd ui` makes another one.\n")
    print(f"  {link}\n", flush=True)
    if opens:
        open_in_background(link)


def _make_token(settings: Settings, url: str) -> bool:
    """Make the first token and print it; False if another node on the same database has made it meanwhile."""
    try:
        with tokens_of(settings) as tokens:
            tokens.add("first token", [TokenScope.ADMIN], show=lambda secret: _print_token(url, secret))
    except TokenError:
        log.info("another node has made the first administration token, and printed it")
        return False
    return True


def _print_token(url: str, secret: str) -> None:
    print("Made an administration token. Keep it: it is shown only now; trackd stores only its hash.\n")
    print(f"  curl {curl(url, '/info/version')} -H 'Authorization: Bearer {secret}'\n", flush=True)
