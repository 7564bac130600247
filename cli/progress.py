"""A progress bar on stderr, on a terminal only."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
EVERY = 1_000


@contextlib.contextmanager
def progress_bar(
    label: str, total: int | None, *, in_bytes: bool = False, output: BinaryIO | None = None
) -> Iterator[Callable[..., None]]:
    """Yields a function that takes the number of items done, and the total once it is known.

    `output` is the file that the command writes: no bar is shown when it is a terminal, too.
    """
    console = Console(stderr=True)
    shown = console.is_terminal and not (output is not None and output.isatty())
    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task(label, total=total)

        def advance(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def counted(items: Iterable[Item], advance: Callable[..., None]) -> Iterator[Item]:
    """The items, unchanged. The bar advances once in `EVERY` items: to move it costs more than an item."""
    done = 0
    for done, item in enumerate(items, 1):
        if done % EVERY == 0:
            advance(done)
        yield item
    advance(done)
