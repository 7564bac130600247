"""Signals end a command wherever it is, also within SQLite."""

import signal
import subprocess
import sys

import pytest

from trackd.cli.signals import Interrupted, Interruption

ENDLESS = """
import sys
from trackd.cli.signals import end_on_signals, interrupt_statements
end_on_signals()
interrupt_statements()
import apsw
db = apsw.Connection(":memory:")
try:
    print("runs", flush=True)
    db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
finally:
    print("cleans up", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_ends_a_long_statement(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (128 + number, b"cleans up\n", b"")


def test_a_second_signal_soon_after_is_ignored() -> None:
    interrupt = Interruption()
    with pytest.raises(Interrupted) as raised:
        interrupt(signal.SIGTERM, None)
    assert (raised.value.code, raised.value.name) == (143, "SIGTERM")
    interrupt(signal.SIGINT, None)
