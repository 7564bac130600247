"""`trackd export` and `trackd import`: write a database to files, and read it back."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from trackd.cli.errors import CommandError
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, settings_of_store, store_name
from trackd.cli.output import report
from trackd.cli.progress import counted, progress_bar
from trackd.cli.signals import interruption
from trackd.cli.stores import import_into, open_export
from trackd.config.settings import Settings
from trackd.core.times import read_time
from trackd.storage.files.atomic_file import atomic_file
from trackd.storage.files.private_file import open_for_writing
from trackd.storage.files.system_errors import reason_and_remedy
from trackd.storage.transfer.exporting import EVERYTHING, AnyExport, Part
from trackd.storage.transfer.following import Follower
from trackd.storage.transfer.formats import check_parquet, write_csv, write_parquet
from trackd.storage.transfer.records import RECORDS, EventRecord, Record

Table = Literal["profile", "session", "event"]
Format = Literal["jsonl", "csv", "parquet"]
DEVICES = Path("/dev")
NOUNS = {"merged": "merged id", "event_id": "event id", "erased": "tombstone"}  # of tables that are not called so


def _checked_time(value: str | None) -> str | None:
    try:
        return None if value is None else read_time(value)
    except ValueError:
        raise typer.BadParameter(
            f"{value!r} is not a time: write it as 2026-01-31 or 2026-01-31T12:00:00Z; without a zone it is UTC."
        ) from None


Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only documents stored or changed since then; only with --table.", callback=_checked_time
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Only documents stored or last changed before then; only with --table.",
        callback=_checked_time,
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write events as they arrive, until a signal: into DIR, a file for each hour or 100,000 events.",
    ),
]


def export(
    table: Annotated[
        Table | None, typer.Option(help="Only this table.  [default: everything that `trackd import` reads]")
    ] = None,
    format: Annotated[Format, typer.Option(help="csv and parquet only with --table.")] = "jsonl",  # noqa: A002
    since: Since = None,
    until: Until = None,
    follow: Folder = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.  [default: stdout]")
    ] = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Write the database, or one table, to a file or to stdout, also while the server runs."""
    _check_options(table, format, since, until, follow, output)
    settings = settings_of_store(db, store, config)
    if format == "parquet":
        check_parquet()
    if follow is not None:
        _follow(settings, follow, format, since)
        return
    records = [record for record in RECORDS if record.table() == table]
    part = Part(since, until)
    path = None if settings.store.url else settings.database.path
    with open_export(settings) as source, output_file(output, path, format) as file:
        total = source.size(*records) if part == EVERYTHING else None
        with progress_bar(table or "export", total, output=file) as advance:
            for record in records:
                _write_table(source, record, part, format, file, advance)
            if not records:
                with contextlib.closing(source.lines()) as lines:
                    file.writelines(counted(lines, advance))
        file.flush()


def _check_options(
    table: Table | None,
    format: Format,  # noqa: A002
    since: str | None,
    until: str | None,
    follow: Path | None,
    output: Path | None,
) -> None:
    """Raises BadParameter for options that exclude each other."""
    if follow is not None:
        if table not in (None, "event"):
            raise typer.BadParameter(f"only events can be followed, not --table {table}.", param_hint="'--follow'")
        if until is not None or output is not None:
            raise typer.BadParameter("takes neither --until nor --output.", param_hint="'--follow'")
    elif table is None:
        if format != "jsonl":
            raise typer.BadParameter(f"{format} needs --table.", param_hint="'--format'")
        for option, value in {"--since": since, "--until": until}.items():
            if value is not None:
                raise typer.BadParameter("needs --table.", param_hint=f"'{option}'")
    if since is not None and until is not None and since >= until:
        raise typer.BadParameter("must be later than --since.", param_hint="'--until'")


def _write_table(
    source: AnyExport,
    record: type[Record],
    part: Part,
    format: Format,  # noqa: A002
    file: BinaryIO,
    advance: Callable[..., None],
) -> None:
    if format == "jsonl":
        with contextlib.closing(source.documents(record, part)) as documents:
            file.writelines(counted(documents, advance))
    else:
        write = write_csv if format == "csv" else write_parquet
        with contextlib.closing(source.rows(record, part)) as rows:
            write(record, counted(rows, advance), file)


def _follow(settings: Settings, folder: Path, format: Format, since: str | None) -> None:  # noqa: A002
    """Print the path of each file when it is complete. A first signal completes the last file, a second one ends."""
    stop = threading.Event()
    set_on_signal(stop)

    def write(source: AnyExport, part: Part, file: BinaryIO) -> None:
        _write_table(source, EventRecord, part, format, file, lambda done: None)

    def opened() -> AnyExport:
        return open_export(settings, older="refuse")

    with _writing(folder), Follower(store_name(settings), opened, folder, f".{format}", write, since) as follower:
        for file in follower.files(stop):
            report(file)


def set_on_signal(stop: threading.Event) -> None:
    """Set `stop` at a first SIGTERM, SIGINT or SIGHUP. A second one ends the program, as in other commands."""

    def on_signal(number: int, _: object) -> None:
        # On a thread of its own: the main thread may be interrupted in `stop.wait` while it holds the lock of `stop`.
        threading.Thread(target=stop.set).start()
        signal.signal(number, interruption)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, on_signal)


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The output of `trackd export` without --table; - is stdin.")
    ],
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Read an export into a database that no server uses, as a whole or not at all."""
    settings = settings_of_store(db, store, config)
    with _input(file) as lines:
        total = None if lines is sys.stdin.buffer else os.fstat(lines.fileno()).st_size
        with progress_bar("import", total, in_bytes=True) as advance:
            counts = import_into(settings, lines, "stdin" if file == "-" else file, advance)
    report(
        f"Imported into {store_name(settings)}: {', '.join(amount(count, table) for table, count in counts.items())}"
    )


def amount(count: int, table: str) -> str:
    """Such as "1 session" or "2 tombstones"."""
    noun = NOUNS.get(table, table)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@contextlib.contextmanager
def output_file(output: Path | None, database: Path | None, format: Format) -> Iterator[BinaryIO]:  # noqa: A002
    """The file that a command writes; stdout for None. `database` is the file that it reads. Raises CommandError."""
    if output is None or _is_stdout(output):
        if format == "parquet" and sys.stdout.isatty():
            raise CommandError("Parquet is not written to a terminal: name a file with --output.")
        with _writing("stdout"):
            yield sys.stdout.buffer
        return
    with _writing(output):
        if database is not None and output.exists() and output.samefile(database):
            raise CommandError(f"{output} is the database itself: name another file with --output.")
        with open_for_writing(output) if _is_stream(output) else atomic_file(output) as file:
            yield file


def _is_stdout(output: Path) -> bool:
    """Whether it is another name of stdout, such as /dev/stdout: a file behind it is appended to, not replaced."""
    try:
        return os.path.samestat(output.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError, AttributeError):  # no such file, or no stdout
        return False


def _is_stream(output: Path) -> bool:
    """Whether it is a pipe, a device, or an open file named by its descriptor, such as /dev/fd/3."""
    if not output.exists():
        return False
    folder = output.parent.resolve()
    return not output.is_file() or folder == DEVICES or folder.is_relative_to("/proc")


@contextlib.contextmanager
def _writing(output: Path | str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        raise CommandError(f"{output} cannot be written {reason_and_remedy(error)}.") from error


@contextlib.contextmanager
def _input(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as opened:
        try:
            lines = opened.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise CommandError(f"{file} cannot be read {reason_and_remedy(error)}.") from error
        yield lines
