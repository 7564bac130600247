"""The commands of `trackd`, and what their errors become."""

import errno
import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trackd.cli.errors import CommandError, system_error
from trackd.cli.lazy_command import LazyCommand
from trackd.cli.output import echo, plain_usage_errors
from trackd.cli.signals import Interrupted
from trackd.config.errors import RulesError, SettingsError
from trackd.load.errors import LoadError
from trackd.storage.errors import SourceError, StoreError, TokenError
from trackd.telemetry.standard_streams import StdoutError, drop_output
from trackd.telemetry.versions import versions


class Trackd(TyperGroup):
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        with plain_usage_errors():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:
        with plain_usage_errors():
            return super().invoke(ctx)


# In the order in which a newcomer needs them.
COMMANDS = (
    LazyCommand("serve", "serve:serve", "Run the server."),
    LazyCommand("source", "source:app", "Manage the sources that may send events."),
    LazyCommand("ui", "ui:ui", "Print a link that opens the live page."),
    LazyCommand("tail", "tail:tail", "Print events and erasures as they are stored."),
    LazyCommand("token", "token:app", "Manage the tokens for reading and administration."),
    LazyCommand("profile", "profile:app", "Show, export or erase one person's data."),
    LazyCommand("rules", "rules:app", "Check a rules file, try it on an event, apply it to profiles."),
    LazyCommand("load", "load:load", "Run a load test against a server, and judge its answers."),
    LazyCommand("verify", "verify:verify", "Check that a database is sound."),
    LazyCommand("export", "transfer:export", "Write the database, or one table, to a file or to stdout."),
    LazyCommand("import", "transfer:import_", "Read an export into a database."),
    LazyCommand("backup", "backup:backup", "Copy the database to one file."),
    LazyCommand("restore", "backup:restore", "Put a backup in the place of the database file."),
    LazyCommand("migrate", "migrate:migrate", "Copy a database file into a PostgreSQL database."),
    LazyCommand("retention", "retention:app", "Confirm the clock by which old data is deleted."),
    LazyCommand("doctor", "doctor:doctor", "Examine what threatens data or speed on this machine."),
    LazyCommand("ready", "ready:ready", "Find out whether a server takes calls, for health checks."),
    LazyCommand("config", "config:config", "Print each setting and its origin."),
)


def _print_versions(requested: bool) -> None:
    if requested:
        echo("trackd {version}, Python {python}, SQLite {sqlite}, Thespian {thespian}".format(**versions()))
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_versions, is_eager=True, help="Print the versions.")
    ] = False,
) -> None:
    pass


def _command() -> TyperGroup:
    app = typer.Typer(
        cls=Trackd,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        help="Collect events over HTTP, and keep every profile consistent under concurrent calls.",
    )
    app.callback()(_options)
    group = typer.main.get_group(app)
    for command in COMMANDS:
        group.add_command(command)
    return group


def run() -> None:
    """Run the command that `sys.argv` names. Raises SystemExit, at a signal Interrupted."""
    try:
        _command()(prog_name="trackd")
    except (SettingsError, RulesError, LoadError) as error:
        _end(error, 2)
    except (StoreError, SourceError, TokenError, CommandError) as error:
        _end(error, 1)
    except OSError as error:
        _end(system_error(error), 1)
    except StdoutError as error:
        if error.errno == errno.EPIPE:
            drop_output()
            sys.exit(128 + signal.SIGPIPE)
        _end(f"{error}.", 1)
    except Interrupted:
        drop_output()
        raise


def _end(error: object, code: int) -> None:
    drop_output()
    echo(f"trackd: {error}", err=True)
    sys.exit(code)
