"""A call of /track that waits for its answer, on the fast path or on the slow one."""

import asyncio
from collections.abc import Callable

from trackd.actors.messages import Aborted
from trackd.actors.pending import Pending
from trackd.core.calls import Rejected, Track, Tracked

Answered = Callable[[], object]
"""Called when the answer is there."""


def no_callback() -> None:
    """For a call whose answer is waited for."""


class PendingCall(Pending[Tracked | Rejected], kw_only=True):
    """A call that was submitted to the actors."""

    request: Track
    body: bytes = b""
    """Its beginning, for a refusal."""

    @property
    def is_postponed(self) -> bool:
        """Whether it took more than its allowance."""
        return isinstance(self.answer, Rejected) and self.answer.is_postponed

    async def wait(self) -> Tracked | Rejected | Aborted:
        """Wait for the answer, in place of `answered`."""
        if self.answer is None:
            is_there = asyncio.Event()
            self.answered = is_there.set
            await is_there.wait()
        assert self.answer is not None
        return self.answer
