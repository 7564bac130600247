"""What `trackd doctor` finds: one sentence part each, and what to do about it."""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from trackd.storage.files.system_errors import REMEDIES, reason_of

UNITS = ("KB", "MB", "GB", "TB")


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Worth a look, for example before an upgrade."""
    WARNING = "warning"
    """Slow, or at risk when something else happens."""
    FAULT = "fault"
    """A server does not start, or a promise would be broken."""


class Finding(Struct, frozen=True):
    check: str
    state: State
    found: str
    remedy: str = ""


Findings = Iterator[Finding]


def of_error(check: str, error: Exception) -> Finding:
    """The finding of an error whose text is a sentence that ends with what to do."""
    text = str(error).rstrip(".")
    found, _, remedy = text.rpartition(": ")
    return Finding(check, State.FAULT, found or text, remedy if found else "look into the log of the server")


def of_system_error(check: str, subject: str, error: OSError, remedy: str) -> Finding:
    """The finding of an error of the system; `remedy` is that of errors without a usual one."""
    found = f"{subject} ({reason_of(error)})"
    return Finding(check, State.FAULT, found, REMEDIES.get(error.errno or 0, remedy))


def worst(findings: Sequence[Finding]) -> State:
    return max((finding.state for finding in findings), key=list(State).index, default=State.OK)


def size(number: float) -> str:
    """A number of bytes for people."""
    if number < 1000:
        return f"{number:.0f} bytes"
    power = min(int(math.log10(number)) // 3, len(UNITS))
    return f"{number / 1000**power:.1f} {UNITS[power - 1]}"


def duration(seconds: float) -> str:
    """A time for people: `1 h`, `3 days`, `0.41 ms`."""
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit == "h" and seconds >= length):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"
