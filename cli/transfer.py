"""`trackd export`, `trackd import` and `trackd backup`: a whole database, out and in."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, DatabaseFile, load_settings
from trackd.core.documents import timestamp
from trackd.storage.transfer.atomic_file import atomic_file

Table = Literal["profile", "session", "event"]
Format = Literal["jsonl", "csv", "parquet"]


def _checked_time(value: str | None) -> str | None:
    try:
        return None if value is None else timestamp(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{value!r} is no time: write it as 2026-01-31 or 2026-01-31T12:00:00Z; without a zone it is UTC."
        ) from None


def export(
    table: Annotated[Table | None, typer.Option(help="Only this table.  [default: all that import needs]")] = None,
    format: Annotated[Format, typer.Option(help="csv and parquet need --table.")] = "jsonl",  # noqa: A002
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only what was stored since then, or changed; needs --table.",
            callback=_checked_time,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.  [default: stdout]")
    ] = None,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Write the whole database, or one table of it, to a file or stdout; beside a running server too."""
    from trackd.cli.progress import counted, progress_bar  # other commands start faster without all of these
    from trackd.storage.transfer.exporting import Export
    from trackd.storage.transfer.formats import check_parquet, write_csv, write_parquet
    from trackd.storage.transfer.records import RECORDS

    if table is None and format != "jsonl":
        raise typer.BadParameter(f"{format} needs --table.", param_hint="'--format'")
    if table is None and since is not None:
        raise typer.BadParameter("needs --table.", param_hint="'--since'")
    path = _database(db, config)
    if format == "parquet":
        check_parquet()
    _clean_up_when_told_to_stop()
    records = [record for record in RECORDS if record.table() == table]
    with Export(path) as source, _output(output, path, format) as file:
        total = None if since else source.size(*records)
        with progress_bar(table or "export", total, beside=file) as moved:
            for record in records:
                if format == "jsonl":
                    file.writelines(counted(source.documents(record, since), moved))
                else:
                    write = write_csv if format == "csv" else write_parquet
                    write(record, counted(source.rows(record, since), moved), file)
            if not records:
                file.writelines(counted(source.lines(), moved))
        file.flush()


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `trackd export` wrote without --table; - is stdin.")
    ],
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Load an export into a database file that no server uses, the whole of it or nothing."""
    path = _database(db, config)
    _clean_up_when_told_to_stop()
    from trackd.cli.progress import progress_bar
    from trackd.storage.transfer.importing import import_export

    with _input(file) as lines:
        total = None if lines is sys.stdin.buffer else os.fstat(lines.fileno()).st_size
        with progress_bar("import", total, in_bytes=True) as moved:
            counts = import_export(path, lines, "stdin" if file == "-" else file, moved)
    typer.echo(f"Imported into {path}: {', '.join(f'{count} {table}' for table, count in counts.items())}")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy to make.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE when it is there.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Copy the database as it is at this moment to one file; beside a running server too."""
    path = _database(db, config)
    _clean_up_when_told_to_stop()
    from trackd.cli.progress import progress_bar
    from trackd.storage.transfer.backup import back_up

    with _writing(file), progress_bar("backup", None, in_bytes=True) as moved:
        back_up(path, file, replace=force, on_bytes=moved)


def _database(db: Path | None, config: Path | None) -> Path:
    return load_settings(config, database={"path": db}).settings.database.path


def _clean_up_when_told_to_stop() -> None:
    """SIGTERM ends a command as Ctrl+C does: what it began is removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextlib.contextmanager
def _output(output: Path | None, database: Path, format: Format) -> Iterator[BinaryIO]:  # noqa: A002
    if output is None:
        if format == "parquet" and sys.stdout.isatty():
            raise CommandError("Parquet is not for a terminal: name a file with --output.")
        with _writing("stdout"):
            yield sys.stdout.buffer
        return
    if output.exists() and output.samefile(database):
        raise CommandError(f"{output} is the database itself: name another file with --output.")
    is_pipe_or_device = output.exists() and not output.is_file()
    with _writing(output), contextlib.ExitStack() as opened:
        path = output if is_pipe_or_device else opened.enter_context(atomic_file(output))
        yield opened.enter_context(path.open("wb"))


@contextlib.contextmanager
def _writing(output: Path | str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read it has seen enough: typer ends the command
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {os.strerror(error.errno or errno.EIO)}.") from error


@contextlib.contextmanager
def _input(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as opened:
        try:
            lines = opened.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {os.strerror(error.errno or errno.EIO)}.") from error
        yield lines
