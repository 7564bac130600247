"""Processes that tests start heed signals, also when the run of pytest itself ignores some.

A shell starts a job with `&` with SIGINT and SIGQUIT ignored, `nohup` with SIGHUP. A process inherits that.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from trackd.cli.signals import ENDING


@contextmanager
def heeded_by_children() -> Iterator[None]:
    """Within it a program that is started begins without ignored signals; this process goes on ignoring them.

    It has a handler that does nothing in their place: one is not inherited by a program.
    """
    ignored = [number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
