import shutil
from pathlib import Path

import pytest

from tests.bench.__main__ import main
from tests.bench.builds import ROOT
from tests.bench.faults import BenchError
from tests.bench.profiling import shares
from tests.bench.scenarios import SCENARIOS
from tests.bench.servers import trackd
from tests.bench.wrk import Load, measure, read_output


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_real_server_is_measured(tmp_path: Path) -> None:
    with trackd(tmp_path / "trackd.db") as server:
        found = measure(server, Load(seconds=1, connections=8, profiles=10), seed=0)
    assert found.errors == 0
    assert found.calls > 10
    assert 0 < found.p50_ms <= found.p99_ms <= found.p999_ms
    assert found.cpu_us > 10


def test_without_wrk_the_run_fails_with_a_sentence_on_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--only", "hot", "--quick", "--out", f"{tmp_path}"]) == 1
    assert "apt install wrk" in capsys.readouterr().out


def test_the_error_of_a_load_without_a_measurement_quotes_wrk() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        read_output("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_shares_count_a_function_that_calls_itself_once() -> None:
    own, inclusive = shares(["run;commit 3", "run;walk;walk 1"])
    assert own == {"commit": 75, "walk": 25}
    assert inclusive == {"run": 100, "commit": 75, "walk": 25}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_document_on_performance_names_every_scenario(scenario: str) -> None:
    assert f"`{scenario}`" in (ROOT / "docs" / "performance.md").read_text()
