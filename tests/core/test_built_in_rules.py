"""The rules that are in force without a rules file."""

from typing import Any

import pytest

from tests.core.person import Person
from tests.support.making import Make
from trackd.config.settings import Limits
from trackd.http.rules_loading import load_rules

BUILT_IN = load_rules("", Limits())


@pytest.mark.parametrize(
    ("totals", "revenue", "largest"),
    [
        ([48.0, "48.0"], 96.0, 48.0),
        (["48", "0.10", 0.2], 48.3, 48),
        (["1e2", "0"], 100.0, 100.0),
        ([20_000_000_000_000_000_000, "20000000000000000000"], 4 * 10**19, 2 * 10**19),
    ],
)
def test_a_purchase_counts_with_a_total_that_is_a_number_or_a_text(
    make: type[Make], totals: list[Any], revenue: float, largest: float
) -> None:
    person = Person()
    events = [make.event(event_type="purchase-order", properties={"total": total}) for total in totals]

    decision = person.send(make.call("S", events), BUILT_IN)

    assert [event.status for event in decision.changes.events] == ["validated"] * len(totals)
    assert person.doc["traits"]["private"]["revenue"] == revenue
    assert person.doc["traits"]["private"]["largest_order"] == largest
    assert person.doc["segments"] == ["customers"]


@pytest.mark.parametrize(
    "total", ["1,234.50", " 48 ", "", "NaN", "1e400", "٤٨", "-48.0", "48\n", -1, True, None, ["48.0"]]
)
def test_a_purchase_with_another_total_is_invalid_and_changes_nothing(make: type[Make], total: Any) -> None:
    person = Person()

    decision = person.send(
        make.call("S", [make.event(event_type="purchase-order", properties={"total": total})]), BUILT_IN
    )

    assert [event.status for event in decision.changes.events] == ["invalid"]
    assert person.doc["traits"]["private"] == {}
    assert person.doc["stats"]["counters"] == {}


def test_a_purchase_without_a_total_is_a_purchase(make: type[Make]) -> None:
    person = Person()

    decision = person.send(make.call("S", [make.event(event_type="purchase-order")]), BUILT_IN)

    assert [event.status for event in decision.changes.events] == ["validated"]
    assert list(person.doc["traits"]["private"]) == ["last_order"]
    assert decision.answer.report.logs == ()
