"""Configures log lines on stderr: text on a terminal, JSON elsewhere."""

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

TEXT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")


def configure_logging(level: str, line_format: str) -> None:
    """`level` and `line_format` are the settings `log.level` and `log.format`."""
    text = line_format == "text" or (line_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(
        TEXT
        if text
        else JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Thespian logs every message at debug level, and at warning what BaseActor has logged already.
    logging.getLogger("Thespian").setLevel(logging.ERROR)
