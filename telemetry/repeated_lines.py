"""A log handler that holds lines together which a fault or a client repeats: a failing disk writes some, not thousands.

The first lines of a kind are written as they come, those after them once in ten seconds as one line with their number.
"""

import contextlib
import copy
import logging
import re
import threading
import time
from collections.abc import Callable, Hashable
from typing import TextIO

from msgspec import Struct

BURST = 5  # lines of a kind in a minute that are written as they come
QUIET_S = 60.0
HELD_S = 10.0
MAX_KINDS = 500
VARIABLE = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")  # numbers, and ids in hex
MAX_KEY = 200  # characters


class _Kind(Struct):
    began: float
    """When the first of `written` came, or the last held ones were written."""
    written: int = 0
    held: int = 0
    last: logging.LogRecord | None = None
    """The last one that is held, without its traceback: the first ones had it."""


class RepeatedLinesHandler(logging.StreamHandler[TextIO]):
    """Lines are of one kind when logger, level and text are the same, apart from numbers in the text.

    Those with an exception also need the same exception from the same place in the code.

    Held lines are also written when the program ends.
    """

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic, held_s: float = HELD_S) -> None:
        super().__init__(stream)
        self._monotonic = monotonic
        self._held_s = held_s
        self._kinds: dict[Hashable, _Kind] = {}
        self._due: float | None = None  # when the held lines are to be written; None when there are none
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write or hold the line. Called with the lock of the handler."""
        now = self._monotonic()
        if self._due is not None and now >= self._due:
            self._write_held(now)
        kind = self._kind(record, now)
        if kind.held == 0 and kind.written < BURST:
            kind.written += 1
            super().emit(record)
        else:
            kind.held += 1
            kind.last = _without_traceback(record)
            self._begin_holding(now)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with contextlib.suppress(Exception):  # the stream may be closed
            self.write_held()
        super().close()

    def _kind(self, record: logging.LogRecord, now: float) -> _Kind:
        key = _key(record)
        if key not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds = {old: kind for old, kind in self._kinds.items() if kind.held or now - kind.began < QUIET_S}
            if len(self._kinds) >= MAX_KINDS:
                key = record.levelno  # all others of this level
        kind = self._kinds.get(key)
        if kind is None or (not kind.held and now - kind.began >= QUIET_S):
            kind = self._kinds[key] = _Kind(now)
        return kind

    def _begin_holding(self, now: float) -> None:
        if self._due is not None:
            return
        self._due = now + self._held_s
        self._timer = threading.Timer(self._held_s, self.write_held)
        self._timer.daemon = True
        with contextlib.suppress(RuntimeError):  # no more threads: then the next line writes them
            self._timer.start()

    def write_held(self) -> None:
        """Write the held lines now."""
        self.acquire()
        try:
            self._write_held(self._monotonic())
        finally:
            self.release()

    def _write_held(self, now: float) -> None:
        self._due = None
        for kind in self._kinds.values():
            if kind.last is not None:
                super().emit(_together(kind.last, kind.held, self._held_s))
                kind.began, kind.held, kind.last = now, 0, None


def _key(record: logging.LogRecord) -> Hashable:
    try:
        message = record.getMessage()
    except Exception:  # arguments that do not fit: the handler reports that for each line
        message = str(record.msg)
    return record.name, record.levelno, _raised(record), VARIABLE.sub("#", message)[:MAX_KEY]


def _raised(record: logging.LogRecord) -> Hashable:
    """The exception of the line, and where it was raised."""
    error, _, trace = record.exc_info or (None, None, None)
    if error is None:
        return None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace is not None else None
    return error.__module__, error.__qualname__, place  # each stand-in is a class of its own


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """A copy that holds no objects of the program."""
    copied = copy.copy(record)
    with contextlib.suppress(Exception):
        copied.msg, copied.args = record.getMessage(), ()
    copied.exc_info = copied.exc_text = copied.stack_info = None
    return copied


def _together(last: logging.LogRecord, number: int, seconds: float) -> logging.LogRecord:
    if number > 1:
        last.msg = f"{last.msg} ({number} such lines in the last {seconds:g} s)"
        last.repeated = number
    return last
