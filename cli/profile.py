"""`trackd profile`: show, export or erase one person's data, whatever the id."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Protocol

import msgspec
import typer

from trackd.cli.administration import check_driver
from trackd.cli.errors import CommandError, naming
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, checked_text, settings_of_store, store_name
from trackd.cli.output import report
from trackd.cli.profile_erasure import erase_profile
from trackd.cli.transfer import output_file
from trackd.config.settings import Settings
from trackd.core.encoding import json_members
from trackd.core.profile_document import time_of_insert
from trackd.http.api.profile_export import profile_export
from trackd.storage.listings import Listings
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


class ProfileListings(Listings, Protocol):
    def profile(self, profile_id: str) -> str | None:
        """The document of a profile as JSON text, also by an id that was merged into it."""


ProfileId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The profile's id, exactly, or one that was merged into it; after -- if it begins with a dash.",
        callback=checked_text,
    ),
]


@app.command()
def show(id: ProfileId, db: DatabaseFile = None, store: StoreUrl = None, config: ConfigFile = None) -> None:  # noqa: A002
    """Print the profile as JSON."""
    settings = settings_of_store(db, store, config)
    with _listings(settings) as (listings, check_unchanged):
        document = _sound_document(listings, id, store_name(settings))
        check_unchanged()
    typer.echo(plain_json(msgspec.json.format(document, indent=2)))


@app.command()
def export(
    id: ProfileId,  # noqa: A002
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.  [default: stdout]")
    ] = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Write the profile with all its sessions and events, as one JSON document."""
    settings = settings_of_store(db, store, config)
    with _listings(settings) as (listings, check_unchanged):
        document = _sound_document(listings, id, store_name(settings)).encode()
        with output_file(output, None if settings.store.url else settings.database.path, "jsonl") as file:

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
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Erase the profile with its sessions and events, through the running server if there is one."""
    settings = settings_of_store(db, store, config)
    if not settings.store.url:
        SharedFile(settings.database.path).close()  # an older file gets the tables of this version
    with _listings(settings) as (listings, _):
        document = _document(listings, id, store_name(settings))
    if settings.store.url:
        from trackd.storage.postgres.profile_erasure import erase_profile as erase_in_database

        erase_in_database(settings.store.url, id, time_of_insert(document), keep_events=keep_events)
    else:
        erase_profile(settings.database.path, id, document, keep_events=keep_events)
    report(f"Erased the profile {id}.")


@contextlib.contextmanager
def _listings(settings: Settings) -> Iterator[tuple[ProfileListings, Callable[[], None]]]:
    """Listings of a store that is only read, and a check that nothing has changed its file. Raises StoreError."""
    if settings.store.url:
        check_driver()
        from trackd.storage.postgres.read_only_database import ReadOnlyDatabase

        with ReadOnlyDatabase(settings.store.url) as database, database.errors():
            yield database.listings, lambda: None
        return
    path = settings.database.path
    with ReadOnlyFile(path) as file, contextlib.closing(SqliteListings(path, file.connect)) as listings:
        try:
            with naming(path):
                yield listings, file.check_unchanged
        except CommandError:
            file.check_unchanged()
            raise


def _document(listings: ProfileListings, profile_id: str, store: str) -> str:
    document = listings.profile(profile_id)
    if document is None:
        raise CommandError(f"There is no profile {profile_id} in {store}.")
    return document


def _sound_document(listings: ProfileListings, profile_id: str, store: str) -> str:
    document = _document(listings, profile_id, store)
    try:
        json_members(document)
    except (ValueError, RecursionError):
        raise CommandError(
            f"The stored row of the profile {profile_id} is damaged: `trackd verify` shows all faults."
        ) from None
    return document
