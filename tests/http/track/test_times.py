"""The time of an event, as clients send it: no value is an error."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.documents import timestamp
from trackd.http.track.fast_payload import fast_payload
from trackd.http.track.payload import PayloadParser
from trackd.http.track.times import Clock, event_time

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda values: (
        st.lists(values)
        | st.dictionaries(st.text(), values)
        | st.fixed_dictionaries({}, optional={"create": values, "insert": values, "time": values})
    ),
    max_leaves=10,
)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOON = "2026-01-31T12:00:00.000000Z"


@pytest.mark.parametrize(
    "sent", ["2026-01-31T12:00:00Z", "2026-031T12", " 20260131T120000Z ", 1769860800, "1769860800000"]
)
def test_a_time_is_read_as_iso_8601_or_epoch(sent: Any) -> None:
    assert event_time({"create": sent}, None) == (NOON, None)


@pytest.mark.parametrize(
    "sent",
    [
        *("", "soon", "12:00", "P1D", "inf", "nan", "2026-02-30", "0001-01-01T00:00:00+01:00", "\ud800"),
        *(True, False, 1e20, 10**30, -(10**30), float("inf"), float("nan"), {}, {"create": 1}, [1]),
    ],
)
def test_a_time_that_cannot_be_read_is_noted(sent: Any) -> None:
    created, note = event_time({"create": sent}, None)
    assert created is None
    assert note == f"The event's time {str(sent)!r} cannot be read: the server's time is used."


@pytest.mark.parametrize(
    "sent",
    [
        '"2026-W05-6T12"',
        '"20260131"',
        '"1769860800"',
        "1769860800",
        "1769860800.5",
        "-1e3",
        "1" + "0" * 30,
        "[]",
        "true",
    ],
)
def test_both_payload_parsers_read_a_time_alike(sent: str) -> None:
    events = f'[{{"type": "t", "time": {{"insert": {sent}}}}}]'
    body = f'{{"source": {{"id": "s"}}, "session": {{"id": "s"}}, "events": {events}}}'.encode()
    fast, parser = fast_payload(body), PayloadParser(10)
    assert fast is not None
    event, other = fast.events[0], parser.parse_general(body).events[0]
    assert event_time(event.time, event.metadata) == event_time(other.time, other.metadata)


def test_a_note_repeats_only_the_start_of_a_long_time() -> None:
    _, note = event_time("no time " * 1000, None)
    assert note is not None
    assert len(note) < 150


@pytest.mark.parametrize(
    ("time", "metadata"),
    [
        ({"create": NOON}, None),
        (NOON, None),
        (None, {"time": NOON}),
        (None, {"time": {"create": NOON}}),
        (None, {"time": {"insert": NOON}}),
        (None, {"time": {"create": None, "insert": NOON}}),
        (None, {"time": {"create": NOON, "insert": "2001-01-01"}}),
        ({"insert": NOON}, None),
        ({"create": None, "insert": NOON}, {"time": "2001-01-01"}),
        ({"create": NOON, "insert": "2001-01-01"}, None),
        ({"create": []}, {"time": NOON}),
        ({"create": NOON}, {"time": "2001-01-01"}),
        ({"create": None}, {"time": NOON}),
        ({}, {"time": NOON}),
        ([], {"time": NOON}),
    ],
)
def test_a_time_is_found_where_clients_put_it(time: Any, metadata: Any) -> None:
    assert event_time(time, metadata) == (NOON, None)


@pytest.mark.parametrize(
    ("time", "metadata"),
    [
        (None, None),
        ({}, {}),
        ([], []),
        ({"create": None}, {"time": None}),
        ({"create": None, "insert": None}, None),
        (None, {"time": {}}),
        (None, {"time": []}),
        (None, {"time": {"create": None, "insert": None}}),
        (None, NOON),
        (None, 5),
    ],
)
def test_a_missing_time_is_not_noted(time: Any, metadata: Any) -> None:
    assert event_time(time, metadata) == (None, None)


@given(JSON, JSON)
def test_no_json_value_raises(time: Any, metadata: Any) -> None:
    created, note = event_time(time, metadata)
    assert created is None or note is None
    assert created is None or TIMESTAMP.fullmatch(created)
    assert note is None or "the server's time is used" in note


@given(st.lists(st.integers(0, 10**16) | st.integers(0, 3_000_000), min_size=1))
def test_a_clock_gives_the_timestamp_of_each_moment_also_when_it_is_set_back(moments: list[int]) -> None:
    clock = Clock(iter(moments).__next__)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [clock() for _ in moments] == [timestamp(epoch + timedelta(microseconds=moment)) for moment in moments]


def test_the_default_clock_gives_the_present_time() -> None:
    before = timestamp(datetime.now(UTC))
    assert before <= Clock()() <= timestamp(datetime.now(UTC))
