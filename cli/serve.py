"""`trackd serve`: run the server, from the first check to the last commit."""

import logging
import os
import platform
from collections.abc import Sequence
from typing import Annotated

import typer

from trackd.cli.errors import CommandError
from trackd.cli.first_start import announce, first_source, lacks_token
from trackd.cli.options import (
    AcceptDamagedLog,
    ConfigFile,
    DatabaseFile,
    Hosts,
    RulesPath,
    StoreUrl,
    UnixSocket,
    file_of,
    flags_of_server,
)
from trackd.cli.process import listen, open_as_many_files_as_allowed, tune_interpreter
from trackd.cli.service_manager import ReportedLife
from trackd.config.load import load
from trackd.config.service_manager import take_handover
from trackd.config.settings import Settings
from trackd.core.version import __version__
from trackd.http.assembly import assemble
from trackd.http.rules_loading import load_rules_of_server
from trackd.http.rules_reloading import reload_rules_of_server
from trackd.http.server.listening import url
from trackd.http.server.server import Server
from trackd.storage.errors import StoreError
from trackd.storage.sqlite.log_tail import drop_damaged_commits
from trackd.telemetry.logs import configure_logging, write_held_lines

log = logging.getLogger(__name__)


def serve(
    host: Hosts = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.  [default: 8686]")] = None,
    uds: UnixSocket = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
    open_page: Annotated[bool, typer.Option("--open", help="On a terminal: open the live page in a browser.")] = False,
    accept_damaged_log: AcceptDamagedLog = False,
) -> None:
    """Run the server. Ctrl+C or SIGTERM stops it, SIGHUP reloads the rules."""
    loaded = load(flags_of_server(host, port, db, rules, uds, store), config)
    run(loaded.settings, loaded.warnings, accept_damaged_log, open_page)


def run(settings: Settings, warnings: Sequence[str], accept_damaged_log: bool, opens_page: bool) -> None:
    """Run the server until SIGTERM or SIGINT.

    Raises CommandError, RulesError or DatabaseError when it cannot start, and StoreError when the disk did not take the
    last calls.
    """
    configure_logging(settings.log.level, settings.log.format)
    handover = take_handover()
    for warning in (*warnings, *handover.warnings):
        log.warning(warning)
    log.info("trackd %s starts: pid %d, Python %s", __version__, os.getpid(), platform.python_version())
    open_as_many_files_as_allowed()
    if accept_damaged_log:
        drop_damaged_commits(file_of(settings))
    with assemble(settings, load_rules_of_server(settings.rules.path, settings.limits)) as assembly:
        tracker = assembly.tracker
        with listen(settings.server, handover) as sockets:
            server = Server(
                assembly.application,
                settings.server,
                on_stop=tracker.refuse_calls,
                on_reload=lambda: reload_rules_of_server(settings, tracker),
                limits=settings.limits,
                keeps_queue=bool(handover.socket_names),
            )
            source, needs_token = first_source(settings, assembly.store), lacks_token(settings)
            server.on_started = lambda: announce(list(map(url, sockets)), settings, source, needs_token, opens_page)
            ReportedLife(handover, tracker, settings.server).follow(server)
            tune_interpreter()
            try:
                server.run(sockets=sockets)
            except StoreError as error:
                raise CommandError(f"The server cannot start: {error}.") from error
            finally:
                write_held_lines()
