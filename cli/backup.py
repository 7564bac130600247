"""`trackd backup` and `trackd restore`: copy the database to one file, and put a copy in its place."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, settings_of_store
from trackd.cli.output import report
from trackd.cli.progress import progress_bar
from trackd.config.settings import Settings
from trackd.config.store_url import masked
from trackd.storage.transfer.backup import back_up
from trackd.storage.transfer.backup_folder import back_up_into
from trackd.storage.transfer.copies import Contents
from trackd.storage.transfer.restoring import restore as restore_copy


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; with --keep a folder of copies.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Write a copy with the time in its name into the folder FILE, keep the newest N."
        ),
    ] = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Copy the database to one file, also while the server runs. The copy is as of one moment, and checked."""
    if keep is not None and force:
        raise typer.BadParameter("replaces no file: leave --force out.", param_hint="'--keep'")
    path = _file_of(settings_of_store(db, store, config), f"pg_dump --format=custom --file={shlex.quote(str(file))}")
    if keep is not None and file.exists() and not file.is_dir():
        raise typer.BadParameter(f"{file} is a file: name a folder for the copies.", param_hint="'--keep'")
    with progress_bar("backup", None, in_bytes=True) as advance:
        if keep is None:
            back_up(path, file, replace=force, on_bytes=advance)
        else:
            file = back_up_into(path, file, keep=keep, on_bytes=advance)
    if keep is not None:
        report(file)


def restore(
    copy: Annotated[Path, typer.Argument(metavar="BACKUP", help="The copy to put in the place of the database file.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there, which is kept.")] = False,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Put a backup in the place of the database file, while no server runs. What was there is kept."""
    command = f"pg_restore --no-owner {shlex.quote(str(copy))} --dbname"
    path = _file_of(settings_of_store(db, store, config), command)
    with progress_bar("restore", None, in_bytes=True) as advance:
        restored = restore_copy(copy, path, replace=force, on_bytes=advance)
    report(f"Restored {path} from {copy}: {_described(restored.contents)}")
    if restored.kept is not None:
        report(f"What was there is kept as {restored.kept}")


def _file_of(settings: Settings, command: str) -> Path:
    """The database file. Raises CommandError for a PostgreSQL database, with the program that copies it."""
    if url := masked(settings.store.url).replace(":***@", "@"):
        raise CommandError(
            f"PostgreSQL has its own programs for copies, which run on a database in use too: `{command} {url}`, with "
            "the password in ~/.pgpass or PGPASSWORD."
        )
    return settings.database.path


def _described(contents: Contents) -> str:
    profiles = "1 profile" if contents.profiles == 1 else f"{contents.profiles} profiles"
    events = "1 event" if contents.events == 1 else f"{contents.events} events"
    return f"{profiles}, {events}" + (f", the last one of {contents.newest}" if contents.newest else "")
