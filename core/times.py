"""Reading times as people and programs write them: one parser for payloads, parameters, options and rules. Pure."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from trackd.core.documents import timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SECOND = 20_000_000_000  # larger numbers are milliseconds: in seconds it is the year 2603
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?", re.ASCII)
DATE_DIGITS = 8  # 20260327
MONTH = re.compile(r"\d{4}-\d\d", re.ASCII)
ORDINAL = re.compile(r"(\d{4})-?(\d{3})(?!\d)", re.ASCII)  # year, day of the year
DATE = r"(?P<date>\d{8}|\d{4}-\d\d-\d\d|\d{4}-?W\d\d(?:-?\d)?)"
TIME = re.compile(DATE + r"[^\d-](?P<clock>\d\d[\d:]*(?:[.,]\d*)?)(?P<zone>\s*[Z+-].*)?", re.ASCII)
END_OF_DAY = re.compile(r"24(:?00(:?00([.,]0*)?)?)?")
LEAP_SECOND = re.compile(r"(\d\d:?\d\d:?)60([.,]\d*)?", re.ASCII)


def read_time(value: Any) -> str:
    """The timestamp of a time in ISO 8601, or of an epoch in seconds or milliseconds. Raises ValueError.

    A text is all that `datetime.fromisoformat` takes, and in addition a month (2026-03), an ordinal date (2026-086),
    24:00, and 60 as seconds. A text of eight digits is a date, one of other digits an epoch. Without a zone it is UTC.
    """
    try:
        return timestamp(_moment(value))
    except (ValueError, OverflowError):
        raise ValueError("no time in ISO 8601 and no epoch, in the years 1 to 9999") from None


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        if value[4:5] == "-":  # the usual form, no number
            try:
                return datetime.fromisoformat(value)
            except ValueError:
                pass
        text = value.strip().upper().replace("\u2212", "-")  # ISO 8601 has a minus sign of its own
        if not NUMBER.fullmatch(text) or (len(text) == DATE_DIGITS and text.isdigit()):
            return _of_text(text)
        value = float(text) if "." in text else int(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a time is a text or a number")
    return EPOCH + (timedelta(seconds=value) if abs(value) <= LAST_SECOND else timedelta(milliseconds=value))


def _of_text(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _of_rare_text(text)


def _of_rare_text(text: str) -> datetime:
    """Read the forms that `fromisoformat` does not take, by writing them as one that it takes."""
    if MONTH.fullmatch(text):
        return datetime.fromisoformat(f"{text}-01")
    if ordinal := ORDINAL.match(text):
        text = _calendar_date(int(ordinal[1]), int(ordinal[2])) + text[ordinal.end() :]
    later = timedelta()
    if time := TIME.fullmatch(text):
        clock = time["clock"]
        if END_OF_DAY.fullmatch(clock):
            clock, later = "00", timedelta(days=1)
        elif leap := LEAP_SECOND.fullmatch(clock):
            clock, later = f"{leap[1]}59{leap[2] or ''}", timedelta(seconds=1)
        text = f"{time['date']}T{clock}{time['zone'] or ''}"
    return datetime.fromisoformat(text) + later


def _calendar_date(year: int, day: int) -> str:
    found = date(year, 1, 1) + timedelta(days=day - 1)
    if found.year != year:
        raise ValueError("the year has no such day")
    return found.isoformat()
