"""The text of the counters by source, read back by Prometheus' parser and compared with prometheus-client's own."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from trackd.http.errors import CALL_STATUSES
from trackd.http.ops.counters_by_source import counters_by_source
from trackd.telemetry.tally import NO_SOURCE, Tally

SOURCES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def samples(text: str, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


@given(numbers=st.dictionaries(SOURCES | st.sampled_from(['"', "\\", "\\n", "\n", "a b", "{}"]), st.integers(0, 2**53)))
def test_the_numbers_of_all_sources_are_read_back(numbers: dict[str, int]) -> None:
    tally = Tally()
    for source, number in numbers.items():
        tally.calls[source, 200] = tally.events[source, "stored"] = number
    text = counters_by_source(tally)
    calls = {(source, "200"): float(number) for source, number in numbers.items()}
    none = {(NO_SOURCE, str(status)): 0.0 for status in CALL_STATUSES}
    assert samples(text, "trackd_calls_total") == none | calls
    assert samples(text, "trackd_events_total") == {("stored", source): number for source, number in numbers.items()}


def test_the_text_has_the_samples_that_prometheus_client_writes() -> None:
    tally, registry = Tally(), CollectorRegistry()
    other = Counter(
        "trackd_events", "Events of answered calls, by source and outcome.", ["source", "outcome"], registry=registry
    )
    for source in ("a", 'of "b"', "of\nc\\"):
        tally.events[source, "stored"] = 12
        other.labels(source, "stored").inc(12)
    text, expected = counters_by_source(tally), generate_latest(registry).decode()
    assert samples(text, "trackd_events_total") == samples(expected, "trackd_events_total")
    assert {line for line in expected.splitlines() if line.startswith("#")} <= {
        *text.splitlines(),
        "# HELP trackd_events_created Events of answered calls, by source and outcome.",
        "# TYPE trackd_events_created gauge",
    }
