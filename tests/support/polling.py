"""Wait for a condition, with a bound: a test that waits for ever hides its reason.

`eventually` is for tests that are `async def`, `wait_until` for the others. Both return the first true value of the
condition, and fail with a sentence when there was none in time.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

WITHIN_S = 30.0  # far longer than any condition takes: a busy machine must not fail a test
PAUSE_S = 0.005

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]], what: str = "the condition", *, within_s: float = WITHIN_S
) -> T: ...


@overload
async def eventually(
    condition: Callable[[], T | None], what: str = "the condition", *, within_s: float = WITHIN_S
) -> T: ...


async def eventually(condition: Callable[[], Any], what: str = "the condition", *, within_s: float = WITHIN_S) -> Any:
    """Return the first true value of `condition`, which may be a coroutine function; other tasks run meanwhile."""
    ends = time.monotonic() + within_s
    while True:
        value = condition()
        found = await value if inspect.isawaitable(value) else value
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(_sentence(what, within_s, found))
        await asyncio.sleep(PAUSE_S)


def wait_until(condition: Callable[[], T | None], what: str = "the condition", *, within_s: float = WITHIN_S) -> T:
    """Return the first true value of `condition`."""
    ends = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > ends:
            raise AssertionError(_sentence(what, within_s, found))
        time.sleep(PAUSE_S)


def _sentence(what: str, within_s: float, last: object) -> str:
    return f"{what} did not become true within {within_s:g} s; its last value was {last!r}"
