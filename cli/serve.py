"""`trackd serve`: from the first check to the last commit."""

import contextlib
import gc
import json
import logging
import os
import platform
import resource
import socket
import uuid
from pathlib import Path

from trackd.actors.tracker import Tracker
from trackd.cli.errors import CommandError
from trackd.config.errors import RulesError
from trackd.config.settings import Settings
from trackd.core.documents import Source, TokenScope
from trackd.core.version import __version__
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules
from trackd.http.server.server import Server, listen
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.sources import Sources
from trackd.storage.sqlite.tokens import Tokens
from trackd.storage.store import Reads
from trackd.telemetry.logs import configure_logging

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Run the server until it is told to stop. Raises CommandError and DatabaseError when it cannot."""
    configure_logging(settings.log.level, settings.log.format)
    log.info("trackd %s starts: pid %d, Python %s", __version__, os.getpid(), platform.python_version())
    _open_as_many_files_as_allowed()
    path = settings.database.path
    with assemble(settings, load_rules(settings.rules.path, settings.limits)) as assembly:
        tracker = assembly.tracker
        with _listen(settings) as listening:
            host, port = listening.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            server = Server(
                assembly.application,
                settings.server,
                on_stop=tracker.refuse_calls,
                on_reload=lambda: _reload_rules(settings, tracker),
                limits=settings.limits,
            )
            source, secret = _first_source(path, assembly.store), _first_token(path)
            server.on_started = lambda: _announce(url, path, source, secret)
            _tune_interpreter()
            try:
                server.run(sockets=[listening])
            except StoreError as error:
                raise CommandError(f"The server cannot start: {error}.") from error


def _reload_rules(settings: Settings, tracker: Tracker) -> None:
    """On SIGHUP. Runs in the event loop: a file of 100 rules and 100 segments takes 33 ms."""
    name = settings.rules.path or "built in"
    try:
        tracker.use_rules(load_rules(settings.rules.path, settings.limits))
    except RulesError as error:
        log.error("the rules stay as they were: %s", error)
    except Exception:  # a fault of ours is no reason to go on without rules
        log.exception("the rules stay as they were")
    else:
        log.info("the rules (%s) were read again", name)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        return listen(host, port)
    except OSError as error:  # of the socket, or of looking up the host's name
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise CommandError(
            f"Cannot listen on {host}:{port} ({reason}): stop what uses it, or choose another with --host and --port."
        ) from None


def _first_source(path: Path, store: Reads) -> Source | None:
    """Made when there never was a source in this file."""
    if store.sources_version() != 0:
        return None
    with Sources(path) as sources:
        return sources.add(Source(str(uuid.uuid4()), "first source", "made by the first `trackd serve`"))


def _first_token(path: Path) -> str | None:
    """The secret of the token that is made when there never was one in this file."""
    with Tokens(path) as tokens:
        return None if tokens.ever_made() else tokens.add("first token", [TokenScope.ADMIN])


def _announce(url: str, path: Path, source: Source | None, secret: str | None) -> None:
    if source is not None:
        call = {"source": {"id": source.id}, "session": {"id": "my-session"}, "events": [{"type": "page-view"}]}
        print(f"Made a source, its id is {source.id}. Send it an event:\n")
        print(f"  curl {url}/track -H 'Content-Type: application/json' -d '{json.dumps(call)}'\n")
    if secret is not None:
        print("Made an administration token. Keep it: it is shown only now, trackd keeps no more than its hash.\n")
        print(f"  curl {url}/info/version -H 'Authorization: Bearer {secret}'\n")
    print(f"trackd {__version__} is ready at {url}, database {path}, pid {os.getpid()}", flush=True)


def _open_as_many_files_as_allowed() -> None:
    """Each connection is one. The soft limit is often 1,024, for programs that use select(): this one does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS has a second, lower limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tune_interpreter() -> None:
    """What start-up made stays: the collector need not look at it again, nor look so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
