import pytest

from trackd.config.settings import Limits
from trackd.core.profile_document import new_profile
from trackd.core.rules.conditions import DOES_NOT_HOLD, Condition, Unmet
from trackd.core.rules.consents import EventTime
from trackd.core.rules.draft import Draft
from trackd.core.rules.rule import Rule, Segment, SegmentChange
from trackd.core.rules.steps import ConsentStep, Operand, Step
from trackd.core.work import Work

FAILED = Unmet("divide by zero", failed=True)


@pytest.mark.parametrize(
    ("before", "unmet", "change", "after"),
    [
        ([], None, SegmentChange("s", entered=True), ["s"]),
        (["a"], None, SegmentChange("s", entered=True), ["a", "s"]),
        (["s"], None, None, ["s"]),
        (["s", "a"], DOES_NOT_HOLD, SegmentChange("s", entered=False), ["a"]),
        ([], DOES_NOT_HOLD, None, []),
        (["s"], Unmet("a value is missing"), SegmentChange("s", entered=False), []),
        (["s"], FAILED, SegmentChange("s", failed="divide by zero"), ["s"]),
        ([], FAILED, SegmentChange("s", failed="divide by zero"), []),
    ],
)
def test_a_profile_enters_and_leaves_a_segment_and_stays_as_it_is_when_the_condition_fails(
    before: list[str], unmet: Unmet | None, change: SegmentChange | None, after: list[str]
) -> None:
    draft = Draft({**new_profile("A", "now"), "segments": before})
    assert Segment("s", Condition("true")).update(draft, unmet) == change
    assert draft.doc["segments"] == after


def test_a_full_profile_keeps_a_consent_that_a_step_would_not_withdraw() -> None:
    draft = Draft(new_profile("A", "now"))
    draft.put(("consents", "a"), {"granted": "now"})
    steps = ConsentStep("a", "set_if_absent", Operand(False)), Step(("pii", "text"), "set", Operand("x" * 5_000))
    limits = Limits(max_profile_bytes=4096)

    run = Rule("r", None, steps).run(draft, {}, EventTime("now", "now"), limits, Work(10**9))

    assert list(draft.doc["consents"]) == ["a"]
    assert (run.changed, len(run.skipped)) == ((), 1)
