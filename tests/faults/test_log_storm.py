"""A disk that fails now and then writes some lines into the log, not some for each failure."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.faults.real_server import RealServer
from tests.support.faulty_disk import FaultyDisk
from trackd.telemetry.repeated_lines import BURST

ROUNDS = 20
MOST_HELD = 5  # lines for those that are held, one in ten seconds: on a busy machine the rounds take a while


def test_a_disk_that_fails_now_and_then_is_reported_with_the_number_of_its_failures(
    start: Callable[..., RealServer], tmp_path: Path
) -> None:
    disk = FaultyDisk(tmp_path / "trackd.db", tmp_path / "disk")
    server = start(**disk.environment)
    for _ in range(ROUNDS):
        disk.fail("log", "write")
        assert server.call("t").status_code == 503
        assert server.call("t").status_code == 200

    lines = [json.loads(line) for line in server.log().splitlines()]
    failures = [line for line in lines if "the store does not take writes" in line["message"]]
    assert sum(line.get("repeated", 1) for line in failures) == ROUNDS
    # On a busy machine the last one may stand for a single failure, and has no number.
    assert any("such lines in the last 10 s)" in line["message"] for line in failures)
    most = Counter(line["message"].partition(" (")[0] for line in lines).most_common(1)
    assert most[0][1] <= BURST + MOST_HELD, most
