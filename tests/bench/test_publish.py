import shutil
from pathlib import Path

import pytest

from tests.bench.builds import ROOT
from tests.bench.faults import BenchError
from tests.bench.figures import Medians, Result, Target
from tests.bench.publish import publish
from tests.bench.report import document

TARGETS = {
    "throughput": [],
    "proxied": [Target("of echo", 0.71, 0.6), Target("times lockdb", 7.2, 4)],
    "events-per-call-100": [],
    "big-file": [Target("of the empty file", 0.93, 0.85)],
}


def written(out: Path, *, quick: bool = False, without: str = "") -> Path:
    """The report of a run."""
    trackd = Medians("trackd", 8_123, 0.71, 7, 12, 20, 150, 0)
    results = [
        Result(scenario=name, question="", medians=(trackd,), targets=tuple(targets))
        for name, targets in TARGETS.items()
        if name != without
    ]
    out.mkdir()
    (out / "bench.json").write_text(document(results, {"cores": 2}, {"quick": quick, "rounds": 4, "seconds": 3}))
    return out


def test_the_documents_show_the_figures_of_the_last_run_and_keep_all_other_text(tmp_path: Path) -> None:
    root = tmp_path / "root"
    shutil.copytree(ROOT / "docs", root / "docs")
    shutil.copy(ROOT / "README.md", root)
    paths = publish(written(tmp_path / "out"), root)
    assert [str(path.relative_to(root)) for path in paths] == [
        "README.md",
        "docs/operating/capacity.md",
        "docs/performance.md",
        "docs/bench.svg",
    ]
    readme, capacity, performance, plot = (path.read_text() for path in paths)
    assert "8,100 calls a second. That is 0.71 of a server" in readme
    assert "810,000 events a second" in capacity
    assert "| proxied | of echo | 0.71 | at least 0.60 | yes |" in performance
    assert "The machine: cores 2; 4 rounds of 3 s." in performance
    assert "trackd: 8,123" in plot
    before = (ROOT / "README.md").read_text()
    for mark in ("<!-- bench: readme -->", "<!-- end -->"):
        assert readme.count(mark) == before.count(mark) == 1
    assert readme.partition("<!-- bench")[0] == before.partition("<!-- bench")[0]
    assert readme.partition("<!-- end")[2] == before.partition("<!-- end")[2]
    assert [path.name for path in publish(tmp_path / "out", root)] == ["bench.svg"]  # they have it already


def test_figures_that_mean_nothing_and_those_of_some_scenarios_are_not_published(tmp_path: Path) -> None:
    for out, reason in (
        (tmp_path / "missing", "no run"),
        (written(tmp_path / "quick", quick=True), "--quick"),
        (written(tmp_path / "partial", without="big-file"), "lacks"),
    ):
        with pytest.raises(BenchError, match=reason):
            publish(out, tmp_path / "documents")
