"""`trackd migrate`: copy a database file into a PostgreSQL database."""

from pathlib import Path
from typing import Annotated

import typer

from trackd.cli.administration import check_driver
from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, load_settings
from trackd.cli.output import report
from trackd.cli.progress import progress_bar
from trackd.cli.transfer import amount
from trackd.config.store_url import masked
from trackd.storage.sqlite.connection import NoDatabaseError


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The database file, which no server uses.")],
    url: Annotated[
        str, typer.Argument(metavar="URL", help="An empty PostgreSQL database, as postgresql://USER@HOST/NAME.")
    ],
    config: ConfigFile = None,
) -> None:
    """Copy a database file into a PostgreSQL database, which is empty, and compare the two.

    The file is only read. A copy that was interrupted goes on where it was when the command is run again.
    """
    settings = load_settings(config, database={"path": file}, store={"url": url}).settings
    check_driver()
    from trackd.storage.postgres.copying import copy_file

    try:
        with progress_bar("migrate", None) as advance:
            copied = copy_file(settings.database.path, settings.store.url, advance)
    except NoDatabaseError:
        raise CommandError(f"There is no database {file}: name the file to copy.") from None
    shown = masked(settings.store.url)
    if copied.was_complete:
        report(f"{file} was copied into {shown} before, completely.")
        return
    amounts = ", ".join(amount(number, table) for table, number in copied.counts.items() if number)
    report(f"Copied {file} into {shown}: {amounts or 'it has no rows'}. Both have the same rows.")
