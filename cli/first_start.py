"""The first start on a database file: it makes a source and a token, and prints them once."""

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from trackd.core.documents import Source, TokenScope
from trackd.core.version import __version__
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.tokens import Tokens
from trackd.storage.store import Reads
from trackd.telemetry.plain_text import plain


def first_source(path: Path, store: Reads) -> Source | None:
    """Make a source, if this file never had one."""
    if store.sources_version() != 0:
        return None
    with Sources(path) as sources:
        return sources.add(Source(str(uuid.uuid4()), "first source", "made by the first `trackd serve`"))


def first_token(path: Path) -> str | None:
    """Make a token, if this file never had one, and return its secret."""
    with Tokens(path) as tokens:
        return None if tokens.ever_made() else tokens.add("first token", [TokenScope.ADMIN])


def announce(urls: Sequence[str], path: Path, source: Source | None, secret: str | None) -> None:
    """Print the source and the token that were made, and that the server is ready."""
    url = urls[0]
    if source is not None:
        call = {"source": {"id": source.id}, "session": {"id": "my-session"}, "events": [{"type": "page-view"}]}
        print(f"Made a source, its id is {source.id}. Send it an event:\n")
        print(f"  curl {url}/track -H 'Content-Type: application/json' -d '{json.dumps(call)}'\n")
    if secret is not None:
        print("Made an administration token. Keep it: it is shown only now; trackd stores only its hash.\n")
        print(f"  curl {url}/info/version -H 'Authorization: Bearer {secret}'\n")
    print(f"trackd {__version__} is ready at {', '.join(urls)}, database {plain(path)}, pid {os.getpid()}", flush=True)
