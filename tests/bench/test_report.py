import io
import json

from msgspec.structs import replace
from rich.console import Console

from tests.bench.figures import Measure, Result, Round, Target, medians
from tests.bench.plot import bars
from tests.bench.report import document, markdown, show, show_ratios

ROUNDS = {
    "echo": [Round(calls=9_000, seconds=1, p50_ms=6, p99_ms=15, p999_ms=20, errors=0, cpu_us=70)],
    "trackd": [Round(calls=4_500, seconds=1, p50_ms=12, p99_ms=25, p999_ms=40, errors=1, cpu_us=180)],
}
RESULT = Result(
    scenario="throughput",
    question="how many",
    reference="echo",
    medians=medians(ROUNDS, "echo"),
    measures=(Measure("at the start", 70, "MB", {"server": 50, "writer": 20}),),
    targets=(Target("of echo", 0.5, 0.55), Target("p99", 25, 30, "ms", most=True)),
    notes=("rowlock is left out",),
    rounds=ROUNDS,
)


def test_the_json_holds_all_rounds_the_medians_and_whether_targets_are_met() -> None:
    report = json.loads(document([RESULT], {"cores": 2}, {"rounds": 1}))
    scenario = report["scenarios"][0]
    assert (report["machine"], report["options"]) == ({"cores": 2}, {"rounds": 1})
    assert scenario["rounds"]["trackd"][0]["per_second"] == 4_500
    assert [(each["name"], each["ratio"]) for each in scenario["medians"]] == [("echo", 1), ("trackd", 0.5)]
    assert [each["met"] for each in scenario["targets"]] == [False, True]


def test_terminal_and_markdown_show_the_same_figures() -> None:
    terminal = Console(file=io.StringIO(), width=100)
    show(RESULT, terminal)
    show_ratios([RESULT], terminal)
    for report in (terminal.file.getvalue(), markdown([RESULT])):  # type: ignore[attr-defined]
        assert "throughput" in report
        assert "of echo: 0.50, at least 0.55: no" in report
        assert "p99: 25.0 ms, at most 30.0 ms: yes" in report
        assert "at the start: 70.0 MB (server 50.0, writer 20.0)" in report
        assert "rowlock is left out" in report
        assert "at least 0.55" in report.partition("ratios")[2]
    assert "| throughput | of echo | 0.50 | at least 0.55 | no |" in markdown([RESULT])
    assert "| trackd | 4,500 | 0.50 | 12.0 | 25.0 | 40.0 | 180 | 1 |" in markdown([RESULT])


def test_the_plot_names_each_server_with_its_figures_and_runs_no_scripts() -> None:
    others = ROUNDS | {"trackd, bare clients": ROUNDS["trackd"], "trackd v1": ROUNDS["trackd"]}
    svg = bars(replace(RESULT, medians=medians(others, "echo")))
    assert "echo: 9,000<" in svg
    assert "trackd: 4,500, 0.50 of echo<" in svg
    assert "trackd," not in svg
    assert "trackd v1" not in svg
    assert "<script" not in svg
