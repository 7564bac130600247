"""The answer of a decision."""

import pytest

from tests.core.decisions import NEW, decide
from tests.support.making import Make
from trackd.core.profile_document import shareable


def test_an_event_left_out_of_debugging_is_stored_all_the_same(make: type[Make]) -> None:
    decision = decide(NEW, make.call("S", [make.event(debug=False), make.event("e")]))

    assert len(decision.changes.events) == 2
    assert [(event.id, event.seq) for event in decision.answer.events] == [("e", 2)]


def test_the_answer_carries_the_profile_without_private_data(make: type[Make]) -> None:
    source = make.source(returns_profile=True)

    decision = decide(NEW, make.call("S", 1, profile_requested=True), source)

    assert decision.answer.profile == shareable(decision.profile.doc)
    assert "pii" not in (decision.answer.profile or {})
    assert decision.answer.logs == ()


def test_the_answer_carries_no_profile_unasked(make: type[Make]) -> None:
    decision = decide(NEW, make.call("S", 1), make.source(returns_profile=True))

    assert decision.answer.profile is None


def test_the_logs_report_that_a_source_may_not_return_the_profile(make: type[Make]) -> None:
    decision = decide(NEW, make.call("S", 1, profile_requested=True))
    silent = decide(NEW, make.call("S", 1, profile_requested=True, log=False))

    assert decision.answer.profile is None
    assert ["returns_profile" in entry.message for entry in decision.answer.logs] == [True]
    assert silent.answer.logs == ()


def test_notes_of_an_event_are_logged_with_its_id_unless_its_log_is_off(make: type[Make]) -> None:
    call = make.call("S", [make.event("e", notes=("odd time",)), make.event(notes=("odder",), log=False)])

    (entry,) = decide(NEW, call).answer.report.logs

    assert (entry.message, entry.event_id) == ("odd time", "e")


@pytest.mark.parametrize("consent", [True, False])
def test_the_answer_has_whether_the_source_requires_consent(make: type[Make], consent: bool) -> None:
    assert decide(NEW, make.call("S"), make.source(consent=consent)).answer.consent is consent
