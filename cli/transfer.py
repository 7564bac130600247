"""`trackd export`, `trackd import` and `trackd backup`: write a database to a file, and read it back."""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, DatabaseFile, load_settings
from trackd.cli.progress import counted, progress_bar
from trackd.core.times import read_time
from trackd.storage.transfer.atomic_file import atomic_file
from trackd.storage.transfer.backup import back_up
from trackd.storage.transfer.exporting import Export
from trackd.storage.transfer.formats import check_parquet, write_csv, write_parquet
from trackd.storage.transfer.importing import import_export
from trackd.storage.transfer.records import RECORDS

Table = Literal["profile", "session", "event"]
Format = Literal["jsonl", "csv", "parquet"]
NOUNS = {"merged": "merged id", "event_id": "event id", "erased": "tombstone"}  # of tables that are not called so


def _checked_time(value: str | None) -> str | None:
    try:
        return None if value is None else read_time(value)
    except ValueError:
        raise typer.BadParameter(
            f"{value!r} is not a time: write it as 2026-01-31 or 2026-01-31T12:00:00Z; without a zone it is UTC."
        ) from None


def export(
    table: Annotated[
        Table | None, typer.Option(help="Only this table.  [default: everything that `trackd import` reads]")
    ] = None,
    format: Annotated[Format, typer.Option(help="csv and parquet only with --table.")] = "jsonl",  # noqa: A002
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only documents stored or changed since then; only with --table.",
            callback=_checked_time,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.  [default: stdout]")
    ] = None,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Write the database, or one table, to a file or to stdout, also while the server runs."""
    if table is None and format != "jsonl":
        raise typer.BadParameter(f"{format} needs --table.", param_hint="'--format'")
    if table is None and since is not None:
        raise typer.BadParameter("needs --table.", param_hint="'--since'")
    path = _database(db, config)
    if format == "parquet":
        check_parquet()
    _clean_up_on_sigterm()
    records = [record for record in RECORDS if record.table() == table]
    with Export(path) as source, _output(output, path, format) as file:
        total = None if since else source.size(*records)
        with progress_bar(table or "export", total, output=file) as advance:
            for record in records:
                if format == "jsonl":
                    with contextlib.closing(source.documents(record, since)) as documents:
                        file.writelines(counted(documents, advance))
                else:
                    write = write_csv if format == "csv" else write_parquet
                    with contextlib.closing(source.rows(record, since)) as rows:
                        write(record, counted(rows, advance), file)
            if not records:
                with contextlib.closing(source.lines()) as lines:
                    file.writelines(counted(lines, advance))
        file.flush()


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The output of `trackd export` without --table; - is stdin.")
    ],
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Read an export into a database file that no server uses, as a whole or not at all."""
    path = _database(db, config)
    _clean_up_on_sigterm()
    with _input(file) as lines:
        total = None if lines is sys.stdin.buffer else os.fstat(lines.fileno()).st_size
        with progress_bar("import", total, in_bytes=True) as advance:
            counts = import_export(path, lines, "stdin" if file == "-" else file, advance)
    typer.echo(f"Imported into {path}: {', '.join(_amount(count, table) for table, count in counts.items())}")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Copy the database to one file, also while the server runs. The copy is as of one moment."""
    path = _database(db, config)
    _clean_up_on_sigterm()
    with _writing(file), progress_bar("backup", None, in_bytes=True) as advance:
        back_up(path, file, replace=force, on_bytes=advance)


def _amount(count: int, table: str) -> str:
    """Such as "1 session" or "2 tombstones"."""
    noun = NOUNS.get(table, table)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _database(db: Path | None, config: Path | None) -> Path:
    return load_settings(config, database={"path": db}).settings.database.path


def _clean_up_on_sigterm() -> None:
    """SIGTERM ends the command as Ctrl+C does: unfinished files are removed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@contextlib.contextmanager
def _output(output: Path | None, database: Path, format: Format) -> Iterator[BinaryIO]:  # noqa: A002
    if output is None:
        if format == "parquet" and sys.stdout.isatty():
            raise CommandError("Parquet is not written to a terminal: name a file with --output.")
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
        raise  # the reader closed the pipe: typer ends the command
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
