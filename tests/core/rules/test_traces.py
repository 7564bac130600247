"""The trace of an event: its form, and its bound."""

import json

from hypothesis import given
from hypothesis import strategies as st

from trackd.core.encoding import reencode
from trackd.core.rules.conditions import Unmet
from trackd.core.rules.rule import RuleRun, Skipped
from trackd.core.rules.traces import trace_of

runs = st.lists(st.builds(RuleRun, st.text("aé", min_size=1), st.lists(st.text()).map(tuple)), min_size=1)


def test_a_trace_has_the_rules_that_ran_with_the_paths_that_they_changed() -> None:
    ran = RuleRun("a", ("traits.public.x", "pii.email"), (Skipped("set pii.name", "it is missing"),))
    trace = trace_of([ran, RuleRun("b", unmet=Unmet("no")), RuleRun("c")], 2_048)
    assert trace == '[{"id":"a","changed":["traits.public.x","pii.email"]},{"id":"c","changed":[]}]'


def test_there_is_no_trace_when_no_rule_ran_or_none_is_wanted() -> None:
    assert trace_of([], 2_048) is None
    assert trace_of([RuleRun("a", unmet=Unmet("no"))], 2_048) is None
    assert trace_of([RuleRun("a", ("pii.email",))], 0) is None


def test_paths_that_do_not_fit_are_counted() -> None:
    many = RuleRun("a", tuple(f"interests.{number:03}" for number in range(100)))
    trace = json.loads(trace_of([many, RuleRun("b", ("pii.email",)), RuleRun("c")], 200) or "")
    assert [(rule["id"], len(rule["changed"]), rule.get("more")) for rule in trace] == [
        ("a", 5, 95), ("b", 0, 1), ("c", 0, None),
    ]  # fmt: skip


@given(runs, st.integers(1, 400))
def test_a_trace_names_all_rules_and_counts_all_paths_within_its_bound(runs: list[RuleRun], most: int) -> None:
    trace = trace_of(runs, most)
    assert trace is not None
    rules = json.loads(trace)
    assert [rule["id"] for rule in rules] == [run.rule for run in runs]
    for rule, run in zip(rules, runs, strict=True):
        assert tuple(rule["changed"]) == run.changed[: len(rule["changed"])]
        assert len(rule["changed"]) + rule.get("more", 0) == len(run.changed)
    without_paths = reencode([{"id": run.rule, "changed": [], "more": 10**6} for run in runs])
    assert len(trace.encode()) <= max(most, len(without_paths.encode()))
