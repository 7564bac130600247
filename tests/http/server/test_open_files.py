"""A process that can open no more files logs it, once a minute."""

import os
import resource

import pytest

from trackd.http.server.connection_limit import ConnectionLimit
from trackd.http.server.open_files import OpenFiles
from trackd.telemetry.rate_limited_log import RateLimitedLog


def test_a_process_without_free_descriptors_logs_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    files = OpenFiles(ConnectionLimit(100), RateLimitedLog(lambda: now))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files.check(3)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        found = [files.check(90), files.check(91)]
        now = 61.0
        found.append(files.check(92))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == [False] * 3
    lines = [record.getMessage() for record in caplog.records]
    assert [line[:42] for line in lines] == [
        "no more files can be opened, with 90 conne",
        "no more files can be opened, with 92 conne",
    ]
    assert "LimitNOFILE" in lines[0]
    assert files.check(3)
