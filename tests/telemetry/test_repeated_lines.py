"""Lines that are repeated are held together with their number, whatever wrote them."""

import io
import itertools
import logging
import re
from collections.abc import Iterator

import pytest

from tests.support.polling import wait_until
from trackd.telemetry.repeated_lines import BURST, HELD_S, MAX_KINDS, QUIET_S, RepeatedLinesHandler


class Log:
    """A logger with the handler, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._stream = io.StringIO()
        self.handler = RepeatedLinesHandler(self._stream, lambda: self.now, held_s=HELD_S)
        self.logger = logging.Logger("test")
        self.logger.addHandler(self.handler)

    def lines(self) -> list[str]:
        """The lines since the last call."""
        lines = self._stream.getvalue().splitlines()
        self._stream.seek(0)
        self._stream.truncate()
        return lines


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log()
    yield log
    log.handler.close()


def test_the_first_lines_are_written_as_they_come_and_those_after_them_as_one(log: Log) -> None:
    for _ in range(750):
        log.logger.error("the store does not take writes: %s", "disk I/O error")
        log.logger.info("the store takes writes again")
    assert log.lines() == ["the store does not take writes: disk I/O error", "the store takes writes again"] * BURST

    log.now += HELD_S
    log.logger.error("another line")

    assert log.lines() == [
        "the store does not take writes: disk I/O error (745 such lines in the last 10 s)",
        "the store takes writes again (745 such lines in the last 10 s)",
        "another line",
    ]


def test_while_they_go_on_they_are_one_line_each_time(log: Log) -> None:
    for _ in range(120):
        log.now += 1.0
        log.logger.error("the same")
    lines = log.lines()
    assert lines[:BURST] == ["the same"] * BURST
    assert set(lines[BURST:]) == {"the same (10 such lines in the last 10 s)"}
    assert len(lines) == BURST + 11


def test_after_a_quiet_minute_they_are_written_as_they_come_again(log: Log) -> None:
    for _ in range(BURST + 2):
        log.logger.error("the same")
    log.now += HELD_S
    log.logger.error("another")
    log.now += QUIET_S
    log.lines()

    log.logger.error("the same")

    assert log.lines() == ["the same"]


def test_a_single_held_line_is_written_as_it_is(log: Log) -> None:
    for _ in range(BURST + 1):
        log.logger.error("the same")
    log.handler.close()
    assert log.lines() == ["the same"] * (BURST + 1)


def test_lines_that_differ_in_numbers_are_of_one_kind_and_others_are_not(log: Log) -> None:
    for number in range(100):
        log.logger.error("event 0f%dae of 192.0.2.%d failed after %d s", number, number, number)
    assert len(log.lines()) == BURST
    for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"):
        log.logger.warning("the rules file: the note %s", word)
    assert len(log.lines()) == 7
    log.logger.error("event 1 of 192.0.2.1 failed after 1 s", exc_info=ValueError())
    log.logger.warning("event 1 of 192.0.2.1 failed after 1 s")
    assert len(log.lines()) == 3


def test_a_repeated_exception_has_its_traceback_in_the_first_lines_alone(log: Log) -> None:
    for _ in range(BURST + 3):
        try:
            raise KeyError("x")
        except KeyError as error:
            stand_in = type("KeyError", (Exception,), {})()  # as telemetry/faults.py makes one for each
            log.logger.error("it failed", exc_info=stand_in.with_traceback(error.__traceback__))
    assert sum(line == "it failed" for line in log.lines()) == BURST
    log.handler.close()
    assert log.lines() == ["it failed (3 such lines in the last 10 s)"]


def test_exceptions_from_another_place_in_the_code_are_of_another_kind(log: Log) -> None:
    def fail(number: int) -> None:
        if number < 50:
            raise ValueError(number)
        raise ValueError(str(number))

    for number in range(51):
        try:
            fail(number)
        except ValueError as error:
            log.logger.error("a handler failed", exc_info=error)
    raised = [line.strip() for line in log.lines() if line.startswith("    raise ")]
    assert raised == ["raise ValueError(number)"] * BURST + ["raise ValueError(str(number))"]


def test_lines_without_end_that_all_differ_are_held_too_and_memory_is_bounded(log: Log) -> None:
    words = ("".join(letters) for letters in itertools.product("ghijklmnop", repeat=3))
    for word in words:
        log.logger.error(word)
    assert len(log.lines()) == MAX_KINDS + BURST
    log.now += QUIET_S
    log.logger.error("word")
    assert len(log.handler._kinds) < 10


def test_held_lines_are_written_though_no_other_line_comes() -> None:
    stream = io.StringIO()
    handler = RepeatedLinesHandler(stream, held_s=0.05)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    for _ in range(BURST + 3):
        logger.error("the same")
    # On a busy machine some of the lines come after the first held ones were written.
    wait_until(lambda: reported(stream.getvalue()) == BURST + 3, "the held lines are written")


def reported(written: str) -> int:
    """How many lines the written ones stand for."""
    return sum(int((re.search(r"\((\d+) such lines", line) or [0, 1])[1]) for line in written.splitlines())


def test_arguments_that_do_not_fit_are_left_to_the_handler(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(BURST + 2):
        log.logger.error("%d", "no number")
    log.logger.error("a line")
    assert log.lines() == ["a line"]
    assert "no number" in capsys.readouterr().err
