"""`trackd tail`: what is stored, as it happens, one line for each event."""

import contextlib
import errno
import select
import sys
import threading
from collections.abc import Callable, Iterable

import typer

from trackd.cli.database_feed import DatabaseFeed
from trackd.cli.feed_requests import FeedRequests
from trackd.cli.file_feed import FileFeed
from trackd.cli.options import ConfigFile, DatabaseFile, StoreUrl, settings_of_store
from trackd.cli.output import echo, plain_console, print_styled
from trackd.cli.server_feed import ServerFeed
from trackd.cli.store_feed import StoreFeed
from trackd.cli.tail_lines import parts
from trackd.cli.tail_options import After, AsJson, Kinds, Lines, Profile, Session, Source, Status, Token, Type, Url
from trackd.cli.transfer import set_on_signal
from trackd.core.feed_cursor import OLDEST, Cursor
from trackd.load.target import Target
from trackd.storage.feed import ERASED, EVENT, FeedFilter, Start
from trackd.telemetry.plain_text import plain_json
from trackd.telemetry.standard_streams import StdoutError

POLL_S = 0.25
NEWEST = 10
GONE = select.POLLERR | select.POLLHUP
Print = Callable[[Iterable[bytes]], None]


def tail(
    type: Type = None,  # noqa: A002
    source: Source = None,
    profile: Profile = None,
    session: Session = None,
    status: Status = None,
    kinds: Kinds = f"{EVENT},{ERASED}",
    lines: Lines = NEWEST,
    after: After = None,
    json: AsJson = False,
    url: Url = None,
    token: Token = None,
    db: DatabaseFile = None,
    store: StoreUrl = None,
    config: ConfigFile = None,
) -> None:
    """Print events and erasures as they are stored, until a signal, also while no server runs."""
    if url is not None and (db is not None or store is not None):
        raise typer.BadParameter("takes neither --db nor --store: the server has its own.", param_hint="'--url'")
    start = Start.NOW if after is None else Start.OLDEST if after == OLDEST else Cursor.read(after)
    matching = FeedFilter(tuple(kinds.split(",")), type, source, profile, session, status)
    stop = threading.Event()
    print_records = _print_json if json else _print_for_people()
    if url is not None:
        target = Target.at(url)
        set_on_signal(stop)
        feed = ServerFeed(FeedRequests(target, token, matching), start, lines)
        _follow(feed.read, print_records, stop)
        return
    settings = settings_of_store(db, store, config)
    with contextlib.ExitStack() as stack:
        opened: StoreFeed
        if settings.store.url:
            opened = stack.enter_context(DatabaseFeed(settings.store.url, matching, start))
        else:
            opened = FileFeed(settings.database.path, matching, start)
        set_on_signal(stop)
        if after is None:
            print_records(opened.newest(lines))
        _follow(opened.read, print_records, stop)


def _follow(read: Callable[[], tuple[list[bytes], bool]], print_records: Print, stop: threading.Event) -> None:
    """Print the records until `stop`. Raises StdoutError when nothing reads them any more.

    `read` has the next ones, and whether to wait a moment before it is called again.
    """
    while not stop.is_set():
        records, is_last = read()
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
