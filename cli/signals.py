"""Signals that end a command: it removes its unfinished files, and its exit code is 128 and the signal's number.

They are handled from the first moment on, because the first process of a container gets no signal without a handler.
"""

import os
import signal
import sys
import time
from types import FrameType

TYPE_CHECKING = False  # typing takes time to load
if TYPE_CHECKING:
    from apsw import Connection

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
STATEMENT_STEPS = 50_000  # of SQLite's machine, some milliseconds
AGAIN_AFTER_S = 2.0
LOST_AFTER_S = 0.01


class Interrupted(SystemExit):
    """A signal asks the command to end. `effect` is a sentence part about what that means, empty if it is obvious."""

    def __init__(self, number: int, effect: str = "") -> None:
        super().__init__(128 + number)
        self.number = number
        self.name = signal.Signals(number).name
        self.effect = effect


class Interruption:
    """A handler of signals that raises Interrupted. A second signal soon after would cut short the end.

    While it is held, the signal waits: within an import the exception could get lost.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting: int | None = None
        self._last = -AGAIN_AFTER_S

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self._held:
            self._waiting = self._waiting or number
            return
        now = time.monotonic()
        if now - self._last >= AGAIN_AFTER_S:
            self._last = now
            raise Interrupted(number)

    def hold(self) -> None:
        self._held = True

    def release(self) -> None:
        """Raise Interrupted at a signal from now on, and now if one waits."""
        self._held = False
        number, self._waiting = self._waiting, None
        if number is not None:
            self(number, None)

    def send_again(self, number: int) -> None:
        """Handle a signal again, a moment later, because its exception was ignored: Python drops those of callbacks."""
        self._last = -AGAIN_AFTER_S
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), number))
        signal.setitimer(signal.ITIMER_REAL, LOST_AFTER_S)


interruption = Interruption()
"""The handler of this process."""


def end_on_signals() -> None:
    """Raise Interrupted at a signal, unless this process was started to ignore it, as by nohup.

    The signal waits until `interruption.release` is called.
    """
    interruption.hold()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interruption)
    ignored = sys.unraisablehook

    def on_ignored(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            interruption.send_again(unraisable.exc_value.number)
        else:
            ignored(unraisable)

    sys.unraisablehook = on_ignored


def interrupted_by(error: BaseException | None) -> Interrupted | None:
    """The signal that caused the error: Python itself replaces the exception of a handler in some places."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__cause__ or error.__context__
    return error


def ignore_signals() -> None:
    """Ignore signals at the end of the process: it ends by itself, and its exit code is known."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def interrupt_statements() -> None:
    """Let signals end a long SQLite statement too, in connections that are opened from now on.

    Python runs no handler of a signal while SQLite works, unless SQLite calls it now and then.
    """
    import apsw

    if _interrupt_statements_of not in apsw.connection_hooks:
        apsw.connection_hooks.append(_interrupt_statements_of)


def _interrupt_statements_of(connection: "Connection") -> None:
    connection.set_progress_handler(lambda: False, STATEMENT_STEPS)
