"""A child process: how long it may take to start, and what is sent to it while it ends."""

import asyncio
import os
import signal
import sys

import pytest

from tests.storage.workers.test_query_pool import closing, reader
from tests.storage.workers.test_writer_process import python, started
from tests.support.making import Make
from tests.support.polling import eventually
from tests.support.stores import SqliteBackend, existing
from trackd.storage.errors import StoreError
from trackd.storage.workers.child_process import ChildProcess
from trackd.storage.workers.framing import UNDECODABLE
from trackd.storage.workers.query_pool import QueryProcess

# A process whose end is noticed in two steps: its input ends, it runs until a signal, and then it has ended.
ENDS_IN_STEPS = """
import os, signal
from trackd.storage.workers.framing import framed
os.close(0)
os.write(1, framed(b""))
signal.pause()
"""


async def test_a_batch_that_is_submitted_while_the_process_ends_has_the_reason_of_its_end(make: type[Make]) -> None:
    """The end of its input is noticed first. Why it ends is known only when it has ended."""
    async with started([sys.executable, "-c", ENDS_IN_STEPS]) as writer:
        writer.process.submit([make.change("A")])
        os.kill(writer.pid, signal.SIGKILL)
        result = await writer.results.next()

    assert str(result.error) == "the writer process was ended by SIGKILL"


async def test_a_batch_that_is_sent_again_while_the_process_ends_has_the_reason_of_its_end(
    make: type[Make], caplog: pytest.LogCaptureFixture
) -> None:
    answer = f"read_frame(sys.stdin.buffer); os.close(0); send({UNDECODABLE!r}); os._exit(5)"
    async with started(python(answer)) as writer:
        result = await writer.commit(make.change("A"))

    assert str(result.error) == "the writer process ended with exit code 5"
    assert "is not running" not in caplog.text


async def test_a_read_that_begins_while_the_process_ends_has_the_reason_of_its_end() -> None:
    async with closing(QueryProcess([sys.executable, "-c", ENDS_IN_STEPS])) as pool:
        reading = asyncio.create_task(pool.read("count", "event"))
        await eventually(lambda: reading.done() or pool._pending, "a query is sent")
        os.kill(existing(pool._process.pid), signal.SIGKILL)
        with pytest.raises(StoreError, match="the reader process was ended by SIGKILL"):
            await reading


async def test_a_process_whose_input_has_ended_takes_nothing_and_its_end_is_reported(
    sqlite_backend: SqliteBackend,
) -> None:
    """With uvloop, which the server runs on, to write to it would raise RuntimeError."""
    ends: list[str] = []
    process = ChildProcess("reader process", reader(sqlite_backend.path), lambda _: None, ends.append)
    await process.start()
    ending = asyncio.create_task(process.close(10))
    await asyncio.sleep(0)
    process.send(b"")
    assert await ending
    assert ends == ["the reader process ended with exit code 0"]
    with pytest.raises(StoreError, match="the reader process is not running"):
        process.send(b"")


STARTING = """
import os, signal, sys
from trackd.storage.workers.framing import framed, starting
def send(payload):
    os.write(1, framed(payload))
"""


def slow_to_start(code: str) -> ChildProcess:
    return ChildProcess("child", [sys.executable, "-c", STARTING + code], lambda payload: None, lambda how: None)


async def test_a_start_may_take_as_long_as_the_process_announces() -> None:
    child = slow_to_start("send(starting(60.0)); send(starting(90.0)); send(b''); sys.stdin.read()")
    await child.start()
    assert child.pid
    assert await child.close(10)


async def test_a_process_that_is_not_ready_in_the_time_that_it_announced_is_killed() -> None:
    child = slow_to_start("send(starting(60.0)); send(starting(0.0)); signal.pause()")
    with pytest.raises(StoreError, match="the child was not ready within 0 s"):
        await child.start()
    assert child.pid is None


async def test_the_reason_why_a_process_is_not_ready_may_come_after_an_announcement() -> None:
    with pytest.raises(StoreError, match="the disk is full"):
        await slow_to_start("send(starting(60.0)); send(b'the disk is full')").start()
