"""`trackd serve`: run the server, from the first check to the last commit."""

import contextlib
import gc
import logging
import os
import platform
import resource
import socket
from typing import Annotated

import typer

from trackd.actors.tracker import Tracker
from trackd.cli.errors import CommandError
from trackd.cli.first_start import announce, first_source, first_token
from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, load_settings
from trackd.config.errors import RulesError
from trackd.config.settings import Settings
from trackd.core.version import __version__
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules_of_server
from trackd.http.server.server import Server, listen
from trackd.storage.errors import StoreError
from trackd.telemetry.logs import configure_logging

log = logging.getLogger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.  [default: 8686]")] = None,
    db: DatabaseFile = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
) -> None:
    """Run the server. Ctrl+C or SIGTERM stops it, SIGHUP reloads the rules."""
    loaded = load_settings(config, server={"host": host, "port": port}, database={"path": db}, rules={"path": rules})
    run(loaded.settings)


def run(settings: Settings) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises CommandError, RulesError or DatabaseError when it cannot start, and StoreError when the disk did not take the
    last calls.
    """
    configure_logging(settings.log.level, settings.log.format)
    log.info("trackd %s starts: pid %d, Python %s", __version__, os.getpid(), platform.python_version())
    _open_as_many_files_as_allowed()
    path = settings.database.path
    with assemble(settings, load_rules_of_server(settings.rules.path, settings.limits)) as assembly:
        tracker = assembly.tracker
        with _listen(settings) as listening:
            host, port = listening.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            server = Server(
                assembly.application,
                settings.server,
                on_stop=tracker.refuse_calls,
                on_reload=lambda: _reload_rules_of_server(settings, tracker),
                limits=settings.limits,
            )
            source, secret = first_source(path, assembly.store), first_token(path)
            server.on_started = lambda: announce(url, path, source, secret)
            _tune_interpreter()
            try:
                server.run(sockets=[listening])
            except StoreError as error:
                raise CommandError(f"The server cannot start: {error}.") from error


def _reload_rules_of_server(settings: Settings, tracker: Tracker) -> None:
    """Called on SIGHUP, in the event loop: calls wait until the rules are compiled."""
    name = settings.rules.path or "built in"
    try:
        tracker.use_rules(load_rules_of_server(settings.rules.path, settings.limits))
    except RulesError as error:
        log.error("the rules are unchanged: %s", error)
    except Exception:  # a bug must not stop the server
        log.exception("the rules are unchanged")
    else:
        log.info("the rules (%s) are reloaded", name)


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.server.host, settings.server.port
    try:
        return listen(host, port)
    except OSError as error:  # from the socket, or from the lookup of the host's name
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise CommandError(
            f"Cannot listen on {host}:{port} ({reason}): stop the program that uses it, "
            "or choose another with --host and --port."
        ) from None


def _open_as_many_files_as_allowed() -> None:
    """Each connection takes a file. The soft limit is often 1,024, for the sake of programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # macOS has a second, lower limit than the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tune_interpreter() -> None:
    """Exempt the objects of the start from garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
