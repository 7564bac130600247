import json
import re
import shutil
from pathlib import Path

import pytest

from tests.bench.__main__ import main
from tests.bench.builds import ROOT
from tests.bench.clients import PROXIED, TIMED_IDS
from tests.bench.faults import BenchError
from tests.bench.profiling import shares
from tests.bench.scenarios import SCENARIOS
from tests.bench.servers import Server, trackd
from tests.bench.wrk import Load, measure, read_output
from tests.support.database import rows

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}")
UUID_OF_TIME = re.compile(UUID.pattern.replace("-4", "-7"))


@needs_wrk
def test_a_real_server_is_measured_and_gets_what_the_clients_of_the_load_send(tmp_path: Path) -> None:
    db = tmp_path / "trackd.db"
    with trackd(db) as server:
        found = measure(server, Load(seconds=1, connections=8, profiles=10, clients=PROXIED), seed=0)
        again = measure(server, Load(seconds=1, connections=8, profiles=10), seed=0)
    assert found.errors == again.errors == 0
    assert min(found.calls, again.calls) > 10
    assert 0 < found.p50_ms <= found.p99_ms <= found.p999_ms
    assert found.cpu_us > 10
    sessions = [row["id"] for row in rows(db, "SELECT id FROM session")]
    assert {f"s-{number}" for number in range(10)} < set(sessions)
    assert sum(UUID.fullmatch(each) is not None for each in sessions) == 10
    [stored] = rows(db, "SELECT count(*) AS n, sum(session_id LIKE 's-%') AS bare FROM event")
    assert stored["bare"] >= 3 * again.calls
    assert stored["n"] - stored["bare"] >= 3 * found.calls  # no id of an event comes again


@needs_wrk
def test_ids_of_events_that_begin_with_the_time_grow_and_none_comes_again_in_another_round(tmp_path: Path) -> None:
    db = tmp_path / "trackd.db"
    with trackd(db) as server:
        one, two = (measure(server, Load(1, connections=1, profiles=10, clients=TIMED_IDS), seed) for seed in range(2))
    ids = [row["id"] for row in rows(db, "SELECT id FROM event ORDER BY number")]
    assert one.errors == two.errors == 0
    assert len(ids) >= 3 * (one.calls + two.calls) > 60
    assert ids == sorted(set(ids))
    assert all(UUID_OF_TIME.fullmatch(each) for each in ids)


@pytest.mark.slow
@needs_wrk
def test_a_load_of_several_nodes_sends_all_calls_of_a_session_to_one_of_them(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.db" for number in range(2)]
    with trackd(files[0]) as one, trackd(files[1]) as two:
        both = Server(one.url, [*one.roots, *two.roots], [two.url])
        found = measure(both, Load(seconds=1, connections=8, profiles=10), seed=0)
    assert found.errors == 0
    sessions = [{row["id"] for row in rows(file, "SELECT id FROM session")} for file in files]
    assert sessions == [{f"s-{number}" for number in range(10) if number % 2 == node} for node in range(2)]
    assert sum(row["n"] for file in files for row in rows(file, "SELECT count(*) AS n FROM event")) >= 3 * found.calls


@pytest.mark.slow
@needs_wrk
@pytest.mark.parametrize("scenario", ["proxied", "own-ids", "events-per-call", "lines"])
def test_a_quick_run_measures_a_scenario(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", scenario, "--out", f"{tmp_path}", "--data", f"{tmp_path}"]) == 0
    run = json.loads((tmp_path / "bench.json").read_text())
    assert {found["scenario"].removesuffix("-1").removesuffix("-100") for found in run["scenarios"]} == {scenario}
    assert all(each["errors"] == 0 for found in run["scenarios"] for each in found["medians"])
    assert "ratios" in capsys.readouterr().out


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
