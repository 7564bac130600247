"""The standard streams of a process: they are always open, and one that cannot be written causes no traceback.

A program may be started with closed descriptors, such as `2>&-`. The next files that it opens would get their numbers:
its output would go into them, and its child processes would not inherit them.
"""

import io
import os
import sys
from pathlib import Path
from typing import Any, TextIO


class StdoutError(Exception):
    """Stdout cannot be written: it is closed, its disk is full, or nothing reads the pipe any more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout cannot be written: {error.strerror}")
        self.errno = error.errno


class _Stdout(io.FileIO):
    drops = False

    def write(self, data: Any) -> int:
        if self.drops:
            return len(data)
        try:
            written = super().write(data)
            while written and written < len(data):  # a disk that has become full; with -u nobody else writes the rest
                more = super().write(memoryview(data)[written:])
                if not more:
                    break
                written += more
        except OSError as error:
            raise StdoutError(error) from None
        return written


class _Stderr(io.FileIO):
    """Drops what cannot be written: there is no other place to report it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _open_descriptors() -> None:
    """Open the descriptors 0 to 2 that are closed, in the wrong mode: to read or write them is an error, as before."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)  # takes the lowest number that is free


def prepare_standard_streams() -> None:
    """Open all descriptors, and make streams that raise nothing but StdoutError."""
    _open_descriptors()
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  as long as the process
    sys.stdout = _stream(_Stdout(1, "w", closefd=False), sys.stdout)
    sys.stderr = _stream(_Stderr(2, "w", closefd=False), sys.stderr)


def _stream(file: io.FileIO, before: TextIO | None) -> TextIO:
    """A text stream on the file, with the settings of Python's own, None for a descriptor that was closed."""
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(file), encoding="utf-8", errors="backslashreplace")
    return io.TextIOWrapper(
        file if before.write_through else io.BufferedWriter(file),  # as Python does
        encoding=before.encoding,
        errors=before.errors,
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )


def drop_output() -> None:
    """Drop what stdout has not taken yet: at its exit Python would try again, and fail."""
    file = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)
    if isinstance(file, _Stdout):
        file.drops = True
        sys.stdout.flush()
        file.drops = False


def is_stdout_shown() -> bool:
    """Whether stdout leads anywhere: it is neither closed nor /dev/null."""
    return os.fstat(sys.stdout.fileno()).st_rdev != Path(os.devnull).stat().st_rdev
