from typing import Any

import pytest

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import EMPTY_REPORT, LogEntry
from trackd.core.decision import Decision, decide
from trackd.core.duplicate import Duplicate
from trackd.core.processing import NO_CONSENT, EventReport, Snapshot
from trackd.core.reporting import MAX_LOGS, build_report, call_log_entries, is_visible_change
from trackd.core.rules.compiling import compile_rules
from trackd.core.rules.conditions import Unmet
from trackd.core.rules.rule import RuleRun, SegmentChange, Skipped
from trackd.core.rules.schemas import Fault

RUN = RuleRun("r", changed=("pii.a",))
ENTERED = SegmentChange("fans", entered=True)
FAILED = SegmentChange("odd", failed="division by zero")


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


# Logs


@pytest.mark.parametrize(
    ("report", "kind", "rule", "words"),
    [
        ({"dropped": NO_CONSENT}, "info", None, "has granted no consent"),
        ({"dropped": "unwanted (bots)"}, "info", None, "unwanted (bots)"),
        (
            {"faults": (Fault(("a", 0), "is odd"), Fault((), "lacks b"))},
            "error",
            None,
            "properties.a.0: is odd; properties: ",
        ),
        ({"duplicate": Duplicate(7, "t")}, "info", None, "duplicate of event e: seq 7, type t"),
        ({"duplicate": Duplicate(7, "u", differs=True)}, "warning", None, "duplicate of event e: seq 7, type u"),
        ({"uncounted": "there are many"}, "warning", None, "there are many"),
        ({"runs": (RuleRun("r", unmet=Unmet("too long", failed=True)),)}, "error", "r", "condition failed: too long"),
        (
            {"runs": (RuleRun("r", skipped=(Skipped("set pii.a", "no object"),)),)},
            "warning",
            "r",
            "set pii.a: no object",
        ),
        ({"runs": (RuleRun("r", skipped=(Skipped("", "too large"),)),)}, "warning", "r", "Skipped too large."),
    ],
)
def test_an_entry_has_its_severity_its_event_and_its_rule(
    make: type[Make], report: dict[str, Any], kind: str, rule: str | None, words: str
) -> None:
    (entry,) = build_report([EventReport(make.event("e"), **report)]).logs

    assert (entry.type, entry.event_id, entry.rule) == (kind, "e", rule)
    assert words in entry.message


@pytest.mark.parametrize(
    "report",
    [
        {"runs": (RUN,)},
        {"runs": (RuleRun("r", unmet=Unmet("a value is missing: x")),)},
        {"runs": (RuleRun("r", skipped=(Skipped("set pii.a", "properties.a is missing", notable=False),)),)},
        {"segment_changes": (ENTERED, FAILED)},
    ],
    ids=["ran", "unmet", "missing", "segments"],
)
def test_an_event_without_problems_is_not_logged(make: type[Make], report: dict[str, Any]) -> None:
    assert build_report([EventReport(make.event(), **report)]).logs == ()


def test_entries_come_in_the_order_of_events_and_of_rules(make: type[Make]) -> None:
    skipping = tuple(RuleRun(name, skipped=(Skipped("set pii.a", "no object"),)) for name in ("one", "two"))
    reports = [
        EventReport(make.event(name, notes=("odd time",)), uncounted="full", runs=skipping) for name in ("e", "f")
    ]

    logs = build_report(reports).logs

    assert [(entry.event_id, entry.rule) for entry in logs] == [
        (event_id, rule) for event_id in ("e", "f") for rule in (None, None, "one", "two")
    ]
    assert [entry.message for entry in logs[:2]] == ["odd time", "The event is not counted by its type: full."]


@pytest.mark.parametrize("more", [0, 1, 500])
def test_logs_are_bounded_and_the_last_entry_counts_those_left_out(make: type[Make], more: int) -> None:
    reports = [EventReport(make.event(f"e{n}", notes=("odd",))) for n in range(MAX_LOGS + more)]

    logs = build_report(reports).logs

    assert [entry.event_id for entry in logs[:MAX_LOGS]] == [f"e{n}" for n in range(MAX_LOGS)]
    assert logs[MAX_LOGS:] == ((LogEntry("info", f"{more} more entries are left out."),) if more else ())


@pytest.mark.parametrize(
    ("profile_requested", "save_session", "session_fits", "withheld", "kinds"),
    [
        (False, True, True, False, []),
        (True, True, True, False, ["warning"]),
        (False, True, False, False, ["warning"]),
        (False, True, True, True, ["info"]),
        (False, False, False, True, []),
        (True, True, False, True, ["warning", "warning", "info"]),
    ],
)
def test_the_log_of_a_call_has_the_parts_that_were_left_out(
    make: type[Make], profile_requested: bool, save_session: bool, session_fits: bool, withheld: bool, kinds: list[str]
) -> None:
    call = make.call(profile_requested=profile_requested, save_session=save_session)

    entries = call_log_entries(call, make.source(), Limits(), session_fits=session_fits, withheld=withheld)

    assert [entry.type for entry in entries] == kinds
    assert {(entry.event_id, entry.rule) for entry in entries} <= {(None, None)}


def test_the_notes_on_a_call_are_the_first_entries_of_its_log(make: type[Make]) -> None:
    call = make.call(notes=("One.", "Two."), profile_requested=True)

    entries = call_log_entries(call, make.source(), Limits(), session_fits=True, withheld=False)

    assert entries[:2] == (LogEntry("warning", "One."), LogEntry("warning", "Two."))
    assert len(entries) == 3


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
