"""`trackd profile`: show, export or erase one person's data, whatever the id."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trackd.cli.errors import CommandError, naming
from trackd.cli.options import ConfigFile, DatabaseFile, checked_text, database_path
from trackd.cli.output import report
from trackd.cli.profile_erasure import erase_profile
from trackd.cli.transfer import output_file
from trackd.core.encoding import json_members
from trackd.http.api.profile_export import profile_export
from trackd.storage.sqlite.listings import SqliteListings
from trackd.storage.sqlite.read_only_file import ReadOnlyFile
from trackd.storage.sqlite.shared_file import SharedFile
from trackd.storage.workers.query_pool import QueryThreads
from trackd.telemetry.plain_text import plain_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Show, export or erase one person's data, also while the server runs.",
)

ProfileId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The profile's id, exactly, or one that was merged into it; after -- if it begins with a dash.",
        callback=checked_text,
    ),
]


@app.command()
def show(id: ProfileId, db: DatabaseFile = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Print the profile as JSON."""
    path = database_path(db, config)
    with _listings(path) as (listings, check_unchanged):
        document = _sound_document(listings, id, path)
        check_unchanged()
    typer.echo(plain_json(msgspec.json.format(document, indent=2)))


@app.command()
def export(
    id: ProfileId,  # noqa: A002
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.  [default: stdout]")
    ] = None,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Write the profile with all its sessions and events, as one JSON document."""
    path = database_path(db, config)
    with _listings(path) as (listings, check_unchanged):
        document = _sound_document(listings, id, path).encode()
        with output_file(output, path, "jsonl") as file:

            async def write() -> None:
                lists = QueryThreads(listings)
                try:
                    async for part in profile_export(id, document, lists):
                        file.write(part)
                finally:
                    await lists.close()
                file.write(b"\n")

            asyncio.run(write())
            check_unchanged()
            file.flush()


@app.command()
def erase(
    id: ProfileId,  # noqa: A002
    keep_events: Annotated[
        bool, typer.Option("--keep-events", help="Keep the events, without anything that identifies the person.")
    ] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Erase the profile with its sessions and events, through the running server if there is one."""
    path = database_path(db, config)
    SharedFile(path).close()  # an older file gets the tables of this version
    with _listings(path) as (listings, _):
        document = _document(listings, id, path)
    erase_profile(path, id, document, keep_events=keep_events)
    report(f"Erased the profile {id}.")


@contextlib.contextmanager
def _listings(path: Path) -> Iterator[tuple[SqliteListings, Callable[[], None]]]:
    """Listings of a file that is only read, and a check that nothing has changed it. Raises DatabaseError."""
    with ReadOnlyFile(path) as file, contextlib.closing(SqliteListings(path, file.connect)) as listings:
        try:
            with naming(path):
                yield listings, file.check_unchanged
        except CommandError:
            file.check_unchanged()
            raise


def _document(listings: SqliteListings, profile_id: str, path: Path) -> str:
    document = listings.profile(profile_id)
    if document is None:
        raise CommandError(f"There is no profile {profile_id} in {path}.")
    return document


def _sound_document(listings: SqliteListings, profile_id: str, path: Path) -> str:
    document = _document(listings, profile_id, path)
    try:
        json_members(document)
    except (ValueError, RecursionError):
        raise CommandError(
            f"The stored row of the profile {profile_id} is damaged: `trackd verify` shows all faults."
        ) from None
    return document
