"""Signals end a command wherever it is, also within SQLite and where Python drops exceptions."""

import signal
import subprocess
import sys

import pytest

from tests.support.ignored_signals import heeded_by_children
from trackd.cli.signals import Interrupted, Interruption, interrupted_by

START = """
import gc, os, signal, sys
from trackd.cli.signals import end_on_signals, interrupt_statements, interruption
end_on_signals()
interrupt_statements()
"""
ENDLESS = """
import apsw
db = apsw.Connection(":memory:")
interruption.release()
try:
    print("runs", flush=True)
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
finally:
    print("cleans up", flush=True)
"""
DROPPED = """
interruption.release()
class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
        print("not reached")
Last()
os.write(1, b"goes on\\n")
signal.pause()
"""
HELD = """
signal.raise_signal(signal.SIGHUP)
signal.raise_signal(signal.SIGTERM)
os.write(1, b"goes on\\n")
interruption.release()
print("not reached")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_a_long_statement(number: int) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", START + ENDLESS], stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (128 + number, b"cleans up\n", b"")


@pytest.mark.parametrize(("program", "number"), [(DROPPED, signal.SIGTERM), (HELD, signal.SIGHUP)])
def test_a_signal_is_not_lost_in_an_import_or_in_a_callback_whose_exceptions_python_drops(
    program: str, number: int
) -> None:
    done = subprocess.run([sys.executable, "-c", START + program], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"goes on\n", b"")


def test_a_second_signal_soon_after_is_ignored() -> None:
    interrupt = Interruption()
    with pytest.raises(Interrupted) as raised:
        interrupt(signal.SIGTERM, None)
    assert (raised.value.code, raised.value.name) == (143, "SIGTERM")
    interrupt(signal.SIGINT, None)


def test_an_error_that_a_signal_caused_is_recognized() -> None:
    error = RuntimeError("Error calling __set_name__")
    error.__cause__ = interrupted = Interrupted(signal.SIGTERM)
    assert interrupted_by(error) is interrupted
    assert interrupted_by(ValueError()) is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_here_reaches_the_processes_of_tests(number: int) -> None:
    program = f"import signal; print(signal.getsignal({number}) is signal.SIG_IGN)"
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with heeded_by_children():
            signal.raise_signal(number)
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert done.stdout == b"False\n"
