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
    label: str, total: int | None, *, in_bytes: bool = False, beside: BinaryIO | None = None
) -> Iterator[Callable[..., None]]:
    """Yields what moves the bar to a number that is done, of a total when it has become known.

    Where the data goes to the terminal itself, `beside` it a bar would be in the way.
    """
    console = Console(stderr=True)
    shown = console.is_terminal and not (beside is not None and beside.isatty())
    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not shown) as progress:
        task = progress.add_task(label, total=total)

        def moved(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield moved


def counted(items: Iterable[Item], moved: Callable[..., None]) -> Iterator[Item]:
    """The items as they are; the bar is moved now and then, which takes longer than an item."""
    done = 0
    for done, item in enumerate(items, 1):
        if done % EVERY == 0:
            moved(done)
        yield item
    moved(done)
