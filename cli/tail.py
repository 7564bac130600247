"""`trackd tail`: what is stored, as it happens, one line for each event."""

import errno
import select
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import typer

from trackd.cli.file_feed import FileFeed
from trackd.cli.options import ConfigFile, DatabaseFile, checked_text, database_path
from trackd.cli.output import echo, plain_console, print_styled
from trackd.cli.tail_lines import parts
from trackd.cli.transfer import set_on_signal
from trackd.core.feed_cursor import OLDEST, Cursor
from trackd.storage.feed import ERASED, EVENT, KINDS, FeedFilter, Start
from trackd.telemetry.plain_text import plain_json
from trackd.telemetry.standard_streams import StdoutError

POLL_S = 0.25
NEWEST = 10
MAX_NEWEST = 1_000
GONE = select.POLLERR | select.POLLHUP
Print = Callable[[Iterable[bytes]], None]


def _checked_cursor(value: str | None) -> str | None:
    try:
        if value not in (None, OLDEST):
            Cursor.read(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None
    return value


def _checked_kinds(value: str) -> str:
    if set(value.split(",")) - {*KINDS}:
        raise typer.BadParameter(f"must be of {', '.join(KINDS)}, with commas between them.")
    return value


def _checked_filter(value: str | None) -> str | None:
    return None if value is None else checked_text(value)


def _filter(metavar: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar=metavar, help=text, callback=_checked_filter)
    return option


def tail(
    type: Annotated[str | None, _filter("TYPE", "Only events and refusals of this type.")] = None,  # noqa: A002
    source: Annotated[str | None, _filter("ID", "Only events and refusals of this source.")] = None,
    profile: Annotated[str | None, _filter("ID", "Only events and refusals of this profile, and its erasure.")] = None,
    session: Annotated[str | None, _filter("ID", "Only events and refusals of this session.")] = None,
    status: Annotated[
        Literal["collected", "validated", "invalid"] | None,
        typer.Option(metavar="STATUS", help="Of the events only the collected, validated or invalid ones."),
    ] = None,
    kinds: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="The kinds of records, with commas between them; refusal: what was not stored.",
            callback=_checked_kinds,
        ),
    ] = f"{EVENT},{ERASED}",
    lines: Annotated[
        int,
        typer.Option(
            "--lines", "-n", min=0, max=MAX_NEWEST, help="Without --after: begin with so many of the newest records."
        ),
    ] = NEWEST,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR",
            help="Begin after this `cursor` of a record; 0: with the oldest.  [default: with the newest]",
            callback=_checked_cursor,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the records as lines of JSON, each with its cursor.")
    ] = False,
    db: DatabaseFile = None,
    config: ConfigFile = None,
) -> None:
    """Print events and erasures as they are stored, until a signal, also while no server runs."""
    start = Start.NOW if after is None else Start.OLDEST if after == OLDEST else Cursor.read(after)
    matching = FeedFilter(tuple(kinds.split(",")), type, source, profile, session, status)
    feed = FileFeed(database_path(db, config), matching, start)
    stop = threading.Event()
    set_on_signal(stop)
    _follow(feed, lines if after is None else None, _print_json if json else _print_for_people(), stop)


def _follow(feed: FileFeed, newest: int | None, print_records: Print, stop: threading.Event) -> None:
    """Print the records until `stop`. Raises StdoutError when nothing reads them any more."""
    if newest is not None:
        print_records(feed.newest(newest))
    while not stop.is_set():
        records, is_last = feed.read()
        print_records(records)
        _check_reader()
        if is_last:
            stop.wait(POLL_S)


def _print_json(records: Iterable[bytes]) -> None:
    lines = [plain_json(record.decode(errors="replace")) for record in records]
    if lines:
        typer.echo("\n".join(lines))


def _print_for_people() -> Print:
    console = plain_console()

    def print_records(records: Iterable[bytes]) -> None:
        for record in records:
            if console.is_terminal:
                print_styled(console, parts(record, console.width))
            else:
                echo("  ".join(part.text for part in parts(record)))

    return print_records


def _check_reader() -> None:
    """Raises StdoutError when stdout is a pipe that nothing reads: a write, which would fail, may be hours away."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(state & GONE for _, state in poll.poll(0)):
        raise StdoutError(BrokenPipeError(errno.EPIPE, "Broken pipe"))
