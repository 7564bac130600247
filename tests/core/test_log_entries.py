"""The log entries of an answer, through the report of its events."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.core.calls import LogEntry
from trackd.core.duplicate import Duplicate
from trackd.core.event_report import NO_CONSENT, EventReport
from trackd.core.log_entries import MAX_LOG_CHARACTERS, MAX_LOGS, call_log_entries
from trackd.core.reporting import build_report
from trackd.core.rules.conditions import Unmet
from trackd.core.rules.faults import Fault
from trackd.core.rules.rule import RuleRun, SegmentChange, Skipped

RUN = RuleRun("r", changed=("pii.a",))
ENTERED = SegmentChange("fans", entered=True)
FAILED = SegmentChange("odd", failed="division by zero")
SKIPPED = (Skipped("set pii.a", "no object"), Skipped("set pii.b", "no value", notable=False), Skipped("", "too large"))

runs = st.lists(
    st.sampled_from(
        [
            RUN,
            RuleRun("r", skipped=SKIPPED),
            RuleRun("r", unmet=Unmet("no")),
            RuleRun("r", unmet=Unmet("x", failed=True)),
        ]
    ),
    max_size=3,
).map(tuple)
reports_of_events = st.builds(
    EventReport,
    st.builds(Make.event, notes=st.sampled_from([(), ("odd",), ("odd", "late")])),
    duplicate=st.sampled_from([None, Duplicate(7)]),
    dropped=st.sampled_from([None, NO_CONSENT, "unwanted"]),
    faults=st.sampled_from([(), (Fault(("a",), "is odd"), Fault((), "lacks b"))]),
    uncounted=st.sampled_from([None, "full"]),
    runs=runs,
)


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


def test_the_messages_of_a_log_are_bounded_together(make: type[Make]) -> None:
    note = "x" * (MAX_LOG_CHARACTERS // 10)
    report = EventReport(make.event("e", notes=(note,) * 7), runs=(RuleRun("r", skipped=SKIPPED),))

    logs = build_report([report] * 3).logs

    assert [len(entry.message) for entry in logs[:-1]].count(len(note)) == 10
    assert logs[-1] == LogEntry("info", f"{3 * 9 - len(logs) + 1} more entries are left out.")


@given(st.lists(reports_of_events, max_size=4))
def test_entries_that_are_left_out_are_counted_as_if_they_were_made(reports: list[EventReport]) -> None:
    full = build_report([EventReport(Make.event(notes=("odd",) * MAX_LOGS)), *reports]).logs
    made = build_report(reports).logs

    left_out = (LogEntry("info", f"{len(made)} more entries are left out."),) if made else ()
    assert full[MAX_LOGS:] == left_out


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
