"""Log lines as the handler of the server writes them, in both formats."""

import asyncio
import contextlib
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from trackd.telemetry.logs import make_handler, write_held_lines
from trackd.telemetry.repeated_lines import BURST

SECRET = "ann@example.com"
HOSTILE = "a\nINFO all is well\x1b[2J\u202e\x9b"
BOTH = pytest.mark.parametrize("text", [True, False], ids=["text", "JSON"])

Lines = Callable[[], list[str]]


@contextlib.contextmanager
def written(*, text: bool) -> Iterator[Lines]:
    """The lines that are written within the block."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = make_handler(stream, text=text)
    root.addHandler(handler)
    try:
        yield lambda: stream.getvalue().splitlines()
    finally:
        root.removeHandler(handler)


@BOTH
def test_a_message_is_one_line_whatever_it_quotes(text: bool) -> None:
    with written(text=text) as lines:
        logging.getLogger("trackd.test").warning("a name: %s", HOSTILE)

    [line] = lines()
    assert line.isprintable()
    message = line if text else json.loads(line)["message"]
    assert message.endswith(r"a name: a\nINFO all is well\x1b[2J\u202e\x9b" if text else f"a name: {HOSTILE}")


@BOTH
def test_a_line_has_the_date_and_the_zone(text: bool) -> None:
    with written(text=text) as lines:
        logging.getLogger("trackd.test").warning("a line")

    [line] = lines()
    time = datetime.fromisoformat(line.split(" ")[0] if text else json.loads(line)["time"])
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=1)


@BOTH
def test_held_lines_can_be_written_before_the_last_one(text: bool) -> None:
    with written(text=text) as lines:
        for _ in range(BURST + 3):
            logging.getLogger("trackd.test").error("the disk failed")
        write_held_lines()
        logging.getLogger("trackd.test").warning("stopped")

    assert len(lines()) == BURST + 2
    assert "the disk failed (3 such lines" in lines()[-2]
    assert "stopped" in lines()[-1]


@BOTH
def test_repeated_lines_are_held_together(text: bool) -> None:
    with written(text=text) as lines:
        for number in range(1000):
            logging.getLogger("trackd.test").error("attempt %d: the disk failed", number)
        logging.getLogger().handlers[-1].close()

    shown = lines() if text else [json.loads(line)["message"] for line in lines()]
    assert len(shown) == BURST + 1
    assert shown[-1].endswith(f"attempt 999: the disk failed ({1000 - BURST} such lines in the last 10 s)")


@BOTH
def test_an_exception_is_logged_with_its_place_and_without_its_message(text: bool) -> None:
    with written(text=text) as lines:
        try:
            raise KeyError(SECRET)
        except KeyError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")

    log = "\n".join(lines())
    assert SECRET not in log
    assert "test_an_exception_is_logged_with_its_place" in log
    assert "KeyError" in log


def test_objects_that_asyncio_shows_are_left_out() -> None:
    async def fail(_: str) -> None:
        raise KeyError(SECRET)

    async def faults() -> None:
        task = asyncio.create_task(fail(SECRET))
        await asyncio.wait([task])
        del task
        asyncio.get_running_loop().call_soon(int, SECRET)
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_exception_handler({"message": "it failed", "context": SECRET})

    with written(text=True) as lines:
        asyncio.run(faults())  # anyio's plugin would take the faults for those of the test

    log = "\n".join(lines())
    assert SECRET not in log
    assert "Task exception was never retrieved" in log
    assert "Exception in callback" in log
    assert "it failed" in log


PROGRAM = """
import logging, sys, threading
from trackd.telemetry.logs import configure_logging

configure_logging("debug", "json")
logging.getLogger("another.package").debug("SECRET")
logging.getLogger("another.package").info("SECRET")
logging.getLogger("trackd.http").debug("shown")
thread = threading.Thread(target=int, args=["SECRET"])
thread.start()
thread.join()
int("SECRET")
"""


def test_uncaught_exceptions_are_log_lines_and_debug_is_for_trackd_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "SECRET" not in done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["message"] for record in records] == ["shown", *["an exception was not handled"] * 2]
    assert all("ValueError" in record["exc_info"] for record in records[1:])
