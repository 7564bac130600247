import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.processes import rss_mb, shared_mb


@pytest.fixture
def pythons() -> Iterator[list[int]]:
    """Three that wait."""
    code = "print(1, flush=True); input()"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(3)
    ]
    for process in started:
        assert process.stdout
        process.stdout.readline()
    yield [process.pid for process in started]
    for process in started:
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports shared pages")
def test_memory_that_processes_share_is_counted_once(pythons: list[int]) -> None:
    one, two, three = (shared_mb(pythons[:number]) for number in (1, 2, 3))
    assert one == 0
    assert 0 < two < rss_mb(pythons[0])
    assert three == pytest.approx(2 * two, rel=0.1)
