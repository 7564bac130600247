"""Ends a command whose disk hangs: a system call that does not return cannot be interrupted."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Watchdog:
    """A context manager around steps. `on_hang` is called, on another thread, with the name of the step that hangs."""

    def __init__(self, limit_s: float, on_hang: Callable[[str], None]) -> None:
        self._limit_s = limit_s
        self._on_hang = on_hang
        self._step = ""
        self._begun = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="trackd-watchdog", daemon=True)

    def begin(self, step: str) -> None:
        self._step = step
        self._begun.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._begun.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over:
            if not self._begun.wait(self._limit_s):
                self._on_hang(self._step)
                return
            self._begun.clear()
