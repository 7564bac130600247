"""`trackd config`: the settings in force, and where each comes from."""

from typing import Annotated, Any

import typer

from trackd.cli.options import (
    ConfigFile,
    DatabaseFile,
    Hosts,
    RulesPath,
    StoreUrl,
    UnixSocket,
    flags_of_server,
    load_settings,
)
from trackd.cli.output import echo
from trackd.config.store_url import masked


def config(
    host: Hosts = None,
    port: Annotated[int | None, typer.Option(help="As for serve.")] = None,
    uds: UnixSocket = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    rules: RulesPath = None,
    config: ConfigFile = None,
) -> None:
    """Print each setting and its origin: the command line, the environment, the file or the default."""
    loaded = load_settings(config, **flags_of_server(host, port, db, rules, uds, store))
    for setting in loaded.each():
        origin = f"file {loaded.file}" if setting.origin == "file" else setting.origin
        echo(f"{setting.name:<30} {_shown(setting.value):<20} {origin}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if value == "" else masked(str(value))
