"""The first process of a container becomes the parent of every process there whose own parent has ended.

When such a child ends, it stays in the list of processes until its parent has waited for it.
"""

import os


class Orphans:
    """Waits for adopted children that have ended, if this is the first process.

    The event loop waits for the server's own children as soon as it is idle: one that had ended at the call of `reap`
    before is not among them.
    """

    def __init__(self) -> None:
        self._is_first = os.getpid() == 1
        self._ended: int | None = None

    def reap(self) -> None:
        """Called by the event loop, again and again; each call waits for one child at most."""
        if not self._is_first:
            return
        ended = _ended_child()
        if ended is not None and ended == self._ended:
            os.waitpid(ended, 0)
            ended = _ended_child()
        self._ended = ended


def _ended_child() -> int | None:
    """A child that has ended and is not waited for yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # there is no child at all
        return None
    return found.si_pid if found else None
