"""When waiting requests of pipelines begin: a few in each round of the event loop, so that other requests pass."""

import asyncio
from collections import deque
from typing import Protocol

MAX_TOGETHER = 32


class Pipeline(Protocol):
    def begin_next(self) -> None:
        """Begin the next request, if the connection is still open."""


class PipelineTurns:
    """One for all connections of a server."""

    def __init__(self) -> None:
        self._waiting: deque[Pipeline] = deque()
        self._is_scheduled = False

    def add(self, pipeline: Pipeline) -> None:
        self._waiting.append(pipeline)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._is_scheduled = False
        if len(self._waiting) > MAX_TOGETHER:
            self._schedule()
        for _ in range(min(MAX_TOGETHER, len(self._waiting))):
            self._waiting.popleft().begin_next()
