"""Options and checks that several commands share."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from trackd.cli.errors import CommandError
from trackd.cli.output import echo
from trackd.config.environment import CONFIG_FILE_VARIABLE
from trackd.config.load import Loaded, load
from trackd.config.settings import Settings
from trackd.config.store_url import masked
from trackd.storage.sqlite.connection import NoDatabaseError
from trackd.storage.sqlite.lock import DatabaseLock

DatabaseFile = Annotated[
    Path | None,
    typer.Option("--db", metavar="FILE", help="The database file.  [default: trackd.db]", show_default=False),
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        help="A PostgreSQL database in place of a file, as postgresql://USER@HOST/NAME.",
        show_default=False,
    ),
]
RulesPath = Annotated[
    str | None,
    typer.Option("--rules", metavar="FILE", help="The rules file.  [default: the built-in rules]", show_default=False),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        envvar=CONFIG_FILE_VARIABLE,
        help="A TOML file with settings.  [default: trackd.toml, if it exists]",
        show_default=False,
    ),
]

AcceptDamagedLog = Annotated[
    bool,
    typer.Option(
        "--accept-damaged-log",
        help="Go on without the commits in the write-ahead log that cannot be read; a copy of the log is kept.",
    ),
]

Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        metavar="ADDRESS",
        help="Address to listen on; several with another --host.  [default: 127.0.0.1]",
        show_default=False,
    ),
]

UnixSocket = Annotated[
    str | None,
    typer.Option(
        "--uds", metavar="PATH", help="A Unix socket, in place of a host and a port, for a proxy.", show_default=False
    ),
]

Create = Annotated[bool, typer.Option("--create", help="Make the database file if there is none.")]


@contextlib.contextmanager
def offering_create() -> Iterator[None]:
    """Around opening a file in a command that has `Create`: the error for a missing database names the option too."""
    try:
        yield
    except NoDatabaseError as error:
        raise CommandError(f"{str(error).rstrip('.')}, or make a new one with --create.") from None


def load_settings(config: Path | None, **flags: Mapping[str, Any]) -> Loaded:
    """The settings of a command. `flags` are groups of options, None for those that were not given.

    Prints warnings on stderr. Raises SettingsError.
    """
    loaded = load(flags, config)
    for warning in loaded.warnings:
        echo(f"trackd: warning: {warning}", err=True)
    return loaded


def settings_of_store(db: Path | None, store: str | None, config: Path | None) -> Settings:
    """The settings of a command on a file or a database, also while a server runs on it.

    Raises SettingsError, and DatabaseError when a server has the file open under another name.
    """
    settings = load_settings(config, **store_flags(db, store)).settings
    if not settings.store.url:
        free_file(settings)
    return settings


def store_name(settings: Settings) -> str:
    """The store for people: the path of the file, or the URL of the database without its password."""
    return masked(settings.store.url) or str(settings.database.path)


def database_path(db: Path | None, config: Path | None) -> Path:
    """The database file of a command that works while the server runs.

    Raises SettingsError, and DatabaseError when a server has the file open under another name.
    """
    return free_file(load_settings(config, **store_flags(db, None)).settings)


def free_file(settings: Settings) -> Path:
    """The database file of the settings. Raises as `database_path`."""
    path = file_of(settings)
    DatabaseLock(path).check_free_elsewhere()
    return path


def store_flags(db: Path | None, store: str | None) -> dict[str, Mapping[str, Any]]:
    """The options for a store as groups of settings. Raises BadParameter for both together.

    A file wins over a database from the environment or from the file of settings.
    """
    if db is not None and store:
        raise typer.BadParameter("takes no --db: the store is a file or a database.", param_hint="'--store'")
    return {"database": {"path": db}, "store": {"url": "" if db is not None else store}}


def file_of(settings: Settings) -> Path:
    """The database file of a command that works on files alone. Raises CommandError for a PostgreSQL database."""
    if settings.store.url:
        raise CommandError(
            f"The store is {masked(settings.store.url)}, and this command works on database files so far: "
            "name a file with --db."
        )
    return settings.database.path


def flags_of_server(
    host: list[str] | None,
    port: int | None,
    db: Path | None,
    rules: str | None,
    uds: str | None,
    store: str | None = None,
) -> dict[str, Mapping[str, Any]]:
    """The options of `trackd serve` as groups of settings.

    A host or a port wins over a Unix socket from the environment or the file. Raises BadParameter for both together.
    """
    has_address = bool(host) or port is not None
    if has_address and uds:
        raise typer.BadParameter(
            "takes neither --host nor --port: a server listens on one or the other.", param_hint="'--uds'"
        )
    server = {"host": host or None, "port": port, "uds": "" if has_address else uds}
    return {"server": server, "rules": {"path": rules}, **store_flags(db, store)}


def checked_text(value: str) -> str:
    """The value, if it is text: a shell can pass any bytes. Raises BadParameter."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("must be text in UTF-8.") from None
    return value


def checked_token(value: str | None) -> str | None:
    """The token, None when it is empty. Raises BadParameter for a text that no header can carry."""
    if value is not None and not (value.isascii() and value.isprintable() and " " not in value):
        raise typer.BadParameter("a token has no spaces, control or other characters than ASCII.")
    return value or None
