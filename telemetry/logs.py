"""Configures log lines on stderr: text on a terminal, JSON elsewhere.

No line has values that clients send, as far as it can be seen here: exceptions are logged without their messages, and
other packages only from warnings on. Each line is one line, whatever it quotes.
"""

import logging
import re
import sys
import threading
from datetime import datetime
from types import TracebackType
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

from trackd.telemetry.faults import without_values
from trackd.telemetry.plain_text import plain
from trackd.telemetry.repeated_lines import RepeatedLinesHandler

log = logging.getLogger(__name__)

QUOTED = re.compile(r"\s*(<|\((?!\))).*", re.DOTALL)  # objects and arguments, as asyncio shows them


def configure_logging(level: str, line_format: str) -> None:
    """`level` and `line_format` are the settings `log.level` and `log.format`. Uncaught exceptions are logged, too."""
    text = line_format == "text" or (line_format == "auto" and sys.stderr.isatty())
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[make_handler(sys.stderr, text=text)], force=True)
    logging.getLogger("trackd").setLevel(number)
    # Thespian logs every message at debug level, and at warning what BaseActor has logged already.
    logging.getLogger("Thespian").setLevel(logging.ERROR)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda uncaught: _log_uncaught(uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)


def make_handler(stream: TextIO, *, text: bool) -> logging.Handler:
    """Writes lines as text, or as JSON, and holds those together that are repeated."""
    handler = RepeatedLinesHandler(stream)
    handler.addFilter(_drop_values)
    handler.setFormatter(
        TextFormatter("%(asctime)s %(levelname)-7s %(message)s")
        if text
        else JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )
    )
    return handler


def write_held_lines() -> None:
    """Write the lines that are held together, so that those of a stop are the last ones of the log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RepeatedLinesHandler):
            handler.write_held()


class TextFormatter(logging.Formatter):
    """Times are local, in ISO 8601 with their zone, such as 2026-01-31T12:00:00.000+01:00."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  logging's name
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        return plain(super().formatMessage(record))


def _drop_values(record: logging.LogRecord) -> bool:
    """Let every record pass, without the messages of exceptions and the objects that asyncio shows."""
    if record.exc_info and record.exc_info[1] is not None:
        error = without_values(record.exc_info[1])
        record.exc_info, record.exc_text = (type(error), error, error.__traceback__), None
    if record.name == "asyncio":
        record.msg, record.args = QUOTED.sub("", record.getMessage().partition("\n")[0]), ()
    return True


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or not issubclass(kind, Exception):
        sys.__excepthook__(kind, error or kind(), trace)
    else:
        log.critical("an exception was not handled", exc_info=error.with_traceback(trace))
