"""The output of commands. Text from outside, such as ids, names and paths, is shown as plain text."""

import contextlib
import errno
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import typer

from trackd.telemetry.plain_text import plain
from trackd.telemetry.standard_streams import StdoutError, drop_output

if TYPE_CHECKING:
    from rich.console import Console  # takes time to load, which most commands do not need


def echo(line: object, *, err: bool = False) -> None:
    """Print one line."""
    typer.echo(plain(line), err=err)


def report(line: object) -> None:
    """Print one line about work that is done, and stays done when the line cannot be printed: that is a warning."""
    try:
        echo(line)
    except StdoutError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader ended this command
        drop_output()
        echo(f"trackd: warning: {error}.", err=True)


def plain_console() -> "Console":
    """A console that takes no markup and no names of emoji from the text that it prints."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def print_line(console: "Console", line: object) -> None:
    """Print one line, however long it is."""
    console.print(plain(line), soft_wrap=True)


def print_styled(console: "Console", parts: Iterable[tuple[str, str]]) -> None:
    """Print texts, each with its style, as one line that is cut where the terminal ends."""
    from rich.text import Text

    line = Text("  ").join(Text(plain(text), style) for text, style in parts)
    console.print(line, no_wrap=True, overflow="ellipsis")


def print_table(console: "Console", columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*map(plain, row))
    console.print(table)


@contextlib.contextmanager
def plain_usage_errors() -> Iterator[None]:
    """Around parsing the arguments of a command: an error quotes them as plain text."""
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        if hasattr(error, "format_message") and message and not message.startswith("Usage: "):  # which is the help
            setattr(error, "message", plain(message))  # noqa: B010  typer's base class is not public in all its releases
        raise
