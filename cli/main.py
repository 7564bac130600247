"""The command `trackd`."""

import signal
import sys
from typing import Annotated, Any

import typer

from trackd.cli import rules as rules_commands
from trackd.cli import source, token, transfer
from trackd.cli.errors import CommandError
from trackd.cli.load import load
from trackd.cli.options import ConfigFile, DatabaseFile, RulesPath, load_settings
from trackd.cli.verify import verify
from trackd.config.errors import RulesError, SettingsError
from trackd.load.errors import LoadError
from trackd.storage.errors import SourceError, StoreError, TokenError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Collect events over HTTP, and keep every profile consistent under concurrent calls.",
)
app.add_typer(source.app, name="source")
app.add_typer(token.app, name="token")
app.add_typer(rules_commands.app, name="rules")
app.command()(transfer.export)
app.command("import")(transfer.import_)
app.command()(transfer.backup)
app.command()(verify)
app.command()(load)


def _print_versions(asked: bool) -> None:
    if asked:
        from trackd.telemetry.versions import versions

        typer.echo("trackd {version}, Python {python}, SQLite {sqlite}, Thespian {thespian}".format(**versions()))
        raise typer.Exit


@app.callback()
def trackd(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_versions, is_eager=True, help="Print the versions.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 0 takes a free one.  [default: 8686]")] = None,
    db: DatabaseFile = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
) -> None:
    """Run the server: HTTP, actors and SQLite in one process. Ctrl+C or SIGTERM stops it, SIGHUP reads rules again."""
    loaded = load_settings(config, server={"host": host, "port": port}, database={"path": db}, rules={"path": rules})
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server listens for it: it would end the process
    from trackd.cli.serve import serve as run  # the other commands start faster without the server

    run(loaded.settings)


@app.command()
def config(
    host: Annotated[str | None, typer.Option(help="As for serve.")] = None,
    port: Annotated[int | None, typer.Option(help="As for serve.")] = None,
    db: DatabaseFile = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
) -> None:
    """Print each setting in force, and where it came from: flag, environment, file or default."""
    loaded = load_settings(config, server={"host": host, "port": port}, database={"path": db}, rules={"path": rules})
    for setting in loaded.each():
        place = f"file {loaded.file}" if setting.origin == "file" else setting.origin
        typer.echo(f"{setting.name:<30} {_shown(setting.value):<20} {place}")


def _shown(value: Any) -> str:
    return repr(value) if value == "" else str(value)


def main() -> None:
    """Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."""
    try:
        app()
    except (SettingsError, RulesError, LoadError) as error:
        _end(error, 2)
    except (StoreError, SourceError, TokenError, CommandError) as error:
        _end(error, 1)


def _end(error: Exception, code: int) -> None:
    typer.echo(f"trackd: {error}", err=True)
    sys.exit(code)
