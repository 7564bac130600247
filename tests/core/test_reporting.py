from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import EMPTY_REPORT
from trackd.core.decision import Decision, decide
from trackd.core.event_report import NO_CONSENT, EventReport
from trackd.core.reporting import build_report, is_visible_change
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.conditions import Unmet
from trackd.core.rules.rule import RuleRun, SegmentChange
from trackd.core.snapshot import Snapshot

RUN = RuleRun("r", changed=("pii.a",))
ENTERED = SegmentChange("fans", entered=True)
FAILED = SegmentChange("odd", failed="division by zero")
paths = st.lists(st.sampled_from(["pii.a", "pii.b", "pii.c"]), max_size=3)


def test_calls_without_effects_share_one_empty_report() -> None:
    assert build_report([]) is EMPTY_REPORT


# Execution


def test_a_rule_that_ran_twice_is_reported_once_with_all_its_changes(make: type[Make]) -> None:
    first = RuleRun("r", changed=("pii.a", "pii.b"))
    second = RuleRun("r", changed=("pii.b", "pii.c"))

    report = build_report([EventReport(make.event(), runs=(first,)), EventReport(make.event(), runs=(second,))])

    assert report.execution == {"t": {"r": ("pii.a", "pii.b", "pii.c")}}


@pytest.mark.parametrize("changing", [0, 1])
def test_a_rule_that_changed_something_in_one_of_its_runs_is_reported_with_that(
    make: type[Make], changing: int
) -> None:
    runs = [RuleRun("r"), RuleRun("r")]
    runs[changing] = RUN

    report = build_report([EventReport(make.event(), runs=(run,)) for run in runs])

    assert report.execution == {"t": {"r": ("pii.a",)}}


def test_execution_is_reported_by_event_type_and_in_the_order_of_the_rules(make: type[Make]) -> None:
    runs = (RuleRun("z", changed=("pii.z",)), RuleRun("a"))

    report = build_report([EventReport(make.event(event_type=event_type), runs=runs) for event_type in ("buy", "look")])

    expected = {"z": ("pii.z",), "a": ()}
    assert report.execution == {"buy": expected, "look": expected}
    assert [list(rules) for rules in report.execution.values()] == [["z", "a"], ["z", "a"]]


def test_a_rule_whose_condition_did_not_hold_did_not_run(make: type[Make]) -> None:
    unmet = RuleRun("r", unmet=Unmet("the condition does not hold"))

    report = build_report([EventReport(make.event(), runs=(unmet,))])

    assert (report.execution, report.logs) == ({}, ())


class CountedPath(str):
    """A path that counts how often it is hashed."""

    hashes = 0
    __slots__ = ()

    def __hash__(self) -> int:
        CountedPath.hashes += 1
        return str.__hash__(self)

    __eq__ = str.__eq__


def test_each_path_of_a_run_is_hashed_a_fixed_number_of_times(make: type[Make]) -> None:
    large = [RuleRun("r", changed=tuple(CountedPath(f"consents.{run}-{n}") for n in range(100))) for run in range(10)]
    small = [RuleRun("r", changed=(CountedPath("consents.a"),)) for _ in range(500)]
    CountedPath.hashes = 0

    report = build_report([EventReport(make.event(), runs=(run,)) for run in large + small])

    assert len(report.execution["t"]["r"]) == 1_001
    assert CountedPath.hashes == 1_500


@given(
    st.lists(
        st.tuples(st.sampled_from("tu"), st.lists(st.tuples(st.sampled_from("rs"), paths), max_size=2)), max_size=5
    )
)
def test_execution_is_that_of_a_plain_merge_of_all_runs(events: list[tuple[str, list[tuple[str, list[str]]]]]) -> None:
    merged: dict[str, dict[str, list[str]]] = {}
    for event_type, runs in events:
        for rule, changed in runs:
            of_rule = merged.setdefault(event_type, {}).setdefault(rule, [])
            of_rule += [path for path in dict.fromkeys(changed) if path not in of_rule]

    report = build_report(
        [
            EventReport(
                Make.event(event_type=event_type),
                runs=tuple(RuleRun(rule, tuple(dict.fromkeys(changed))) for rule, changed in runs),
            )
            for event_type, runs in events
        ]
    )

    assert report.execution == {
        event_type: {rule: tuple(changed) for rule, changed in of_type.items()}
        for event_type, of_type in merged.items()
    }


# Segments


def test_segments_are_reported_once_in_the_order_of_their_changes(make: type[Make]) -> None:
    changes = [SegmentChange("b", entered=True), SegmentChange("a", entered=True), SegmentChange("b")]

    report = build_report([EventReport(make.event(), segment_changes=(change,)) for change in changes])

    assert (report.segments, report.segment_errors) == (("b", "a"), ())


def test_a_failed_segment_is_reported_once_and_is_neither_entered_nor_left(make: type[Make]) -> None:
    report = build_report([EventReport(make.event(), segment_changes=(FAILED, ENTERED)) for _ in range(3)])

    assert report.segments == ("fans",)
    assert report.segment_errors == ("odd: division by zero",)


# Options of events


def test_an_event_without_debug_has_no_part_in_debugging(make: type[Make]) -> None:
    report = build_report(
        [EventReport(make.event("e", debug=False, notes=("odd",)), runs=(RUN,), segment_changes=(ENTERED, FAILED))]
    )

    assert (report.execution, report.segments, report.segment_errors) == ({}, (), ())
    assert report.logs == ()


def test_an_event_without_log_has_no_part_in_the_logs(make: type[Make]) -> None:
    event = make.event("e", log=False, notes=("odd",))

    report = build_report([EventReport(event, uncounted="full", runs=(RUN,), segment_changes=(ENTERED,))])

    assert report.logs == ()
    assert report.execution == {"t": {"r": ("pii.a",)}}
    assert report.segments == ("fans",)


def test_a_dropped_event_is_counted_even_if_it_disables_logs(make: type[Make]) -> None:
    silent = make.event(debug=False, log=False)

    report = build_report([EventReport(silent, dropped=NO_CONSENT), EventReport(silent, dropped="unwanted (bots)")])

    assert (report.dropped, report.logs) == ((NO_CONSENT, "unwanted (bots)"), ())


# Saved events


@pytest.mark.parametrize(
    ("report", "content_changed"),
    [
        ({}, False),
        ({"runs": (RuleRun("r"),)}, False),
        ({"runs": (RuleRun("r", changed=("stats.counters.a", "stats.counters.b")),)}, False),
        ({"runs": (RuleRun("r", changed=("stats.counters.a", "interests.a")),)}, True),
        ({"runs": (RuleRun("r"), RUN)}, True),
        ({"segment_changes": (ENTERED,)}, True),
        ({"segment_changes": (SegmentChange("fans"),)}, True),
        ({"segment_changes": (FAILED,)}, False),
    ],
)
def test_counters_alone_are_bookkeeping(make: type[Make], report: dict[str, Any], content_changed: bool) -> None:
    assert is_visible_change(EventReport(make.event(), **report)) is content_changed


def test_an_answer_reports_the_results_of_rules(make: type[Make]) -> None:
    """Through a whole decision: two rules, one of which skips a step and raises a counter only."""
    content = {
        "rule": [
            {
                "name": "revenue",
                "event": "buy",
                "steps": [{"target": "pii.sum", "op": "increment", "from": "properties.price"}],
            },
            {"name": "bought", "event": "*", "steps": [{"target": "stats.counters.bought", "op": "increment"}]},
        ],
        "segment": [{"name": "Big Spenders", "when": "profile.pii.sum > 5"}],
    }
    ruleset = compile_rules(content, Limits())
    prices = [3, "much", 4]
    call = make.call("S", [make.event(f"e{price}", "buy", properties={"price": price}) for price in prices])

    decision = decide(Snapshot("A", make.profile("A"), None, {}), call, make.source(), ruleset, Limits())
    assert isinstance(decision, Decision)
    report = decision.answer.report

    assert report.execution == {"buy": {"revenue": ("pii.sum",), "bought": ("stats.counters.bought",)}}
    assert report.segments == ("big-spenders",)
    (entry,) = report.logs
    assert (entry.type, entry.event_id, entry.rule) == ("warning", "emuch", "revenue")
