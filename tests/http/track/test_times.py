"""The time of an event, as clients send it: no value is an error."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.documents import timestamp
from trackd.http.track.decoding import decode
from trackd.http.track.fast_payload import fast_payload
from trackd.http.track.payload import PayloadParser
from trackd.http.track.times import Clock, EventTimes

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
RECEIVED = "9999-12-31T23:59:59.999999Z"


def read(time: Any, metadata: Any) -> tuple[str, tuple[str, ...]]:
    """For an event that arrived in a late year, so that no time is later."""
    return EventTimes(RECEIVED).read(time, metadata)


@pytest.mark.parametrize(
    "sent", ["2026-01-31T12:00:00Z", "2026-031T12", " 20260131T120000Z ", 1769860800, "1769860800000"]
)
def test_a_time_is_read_as_iso_8601_or_epoch(sent: Any) -> None:
    assert read({"create": sent}, None) == (NOON, ())


@pytest.mark.parametrize(
    "sent",
    [
        *("", "soon", "12:00", "P1D", "inf", "nan", "2026-02-30", "0001-01-01T00:00:00+01:00", "\ud800"),
        *(True, False, 1e20, 10**30, -(10**30), float("inf"), float("nan"), {}, {"create": 1}, [1]),
    ],
)
def test_a_time_that_cannot_be_read_is_noted(sent: Any) -> None:
    note = f"The event's time {str(sent)!r} cannot be read: the server's time is used."
    assert read({"create": sent}, None) == (RECEIVED, (note,))


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
    assert read(event.time, event.metadata) == read(other.time, other.metadata)


def test_a_note_repeats_only_the_start_of_a_long_time() -> None:
    _, (note,) = read("no time " * 1000, None)
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
        ({"create": "", "insert": NOON}, None),
        ({"create": [], "insert": NOON}, None),
        ({"create": {}, "insert": NOON}, None),
        (None, {"time": {"create": "", "insert": NOON}}),
        ({"create": NOON}, {"time": "2001-01-01"}),
        ({"create": None}, {"time": NOON}),
        ({}, {"time": NOON}),
        ([], {"time": NOON}),
    ],
)
def test_a_time_is_found_where_clients_put_it(time: Any, metadata: Any) -> None:
    assert read(time, metadata) == (NOON, ())


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
    assert read(time, metadata) == (RECEIVED, ())


@given(JSON, JSON)
def test_no_json_value_raises(time: Any, metadata: Any) -> None:
    created, notes = read(time, metadata)
    assert TIMESTAMP.fullmatch(created)
    assert not notes or (created == RECEIVED and "the server's time is used" in notes[0])


ARRIVAL = "2026-03-27T12:00:00.000000Z"


def test_a_time_later_than_its_arrival_is_kept_and_noted() -> None:
    times = EventTimes(ARRIVAL)
    assert times.read(ARRIVAL, None) == (ARRIVAL, ())
    later = "2031-01-01T00:00:00.000000Z"
    why = f"The event's time {later} is later than its arrival: for the rules it happened at {ARRIVAL}."
    assert times.read("2031-01-01", None) == (later, (why,))
    assert times.notes == ()


@pytest.mark.parametrize(
    ("sent_at", "behind", "how"),
    [
        ("2026-03-27T10:00:00Z", 7200, "2:00:00 behind"),
        ("2026-03-27T10:58:59.999+00", 3660.001, "1:01:00.001000 behind"),
        (1774612800, 0, ""),  # 12:00
        ("1774612860", 0, ""),
        (1774612740.0, 0, ""),
        (1774612739999, 60.001, "0:01:00.001000 behind"),
        (" 20260327T120100.001 ", -60.001, "0:01:00.001000 ahead"),
        ("2026-087T12", -86_400, "1 day, 0:00:00 ahead"),
        ({"create": "2026-03-27T13:00"}, -3600, "1:00:00 ahead"),
    ],
)
@pytest.mark.parametrize("name", ["sentAt", "x-timestamp"])
def test_the_time_of_sending_corrects_a_clock_that_is_more_than_a_minute_wrong(
    name: str, sent_at: Any, behind: float, how: str
) -> None:
    if name == "sentAt":
        times = EventTimes(ARRIVAL, sent_at, "1970-01-01")
    elif isinstance(sent_at, dict):
        return
    else:
        times = EventTimes(ARRIVAL, None, str(sent_at))
    before = datetime(2026, 3, 26, tzinfo=UTC)
    created = timestamp(before + timedelta(seconds=behind))
    assert times.read(before.isoformat(), None) == (created, ())
    assert times.read(None, {"time": {"insert": before.timestamp()}}) == (created, ())
    corrected = f"The client's clock is {how} (`{name}`): the times of the events are corrected."
    assert times.notes == ((corrected,) if how else ())


@pytest.mark.parametrize("sent_at", ["", "soon", True, [1], 1e30])
def test_a_time_of_sending_that_cannot_be_read_is_noted_and_the_header_used(sent_at: Any) -> None:
    times = EventTimes(ARRIVAL, sent_at, "2026-03-27T11:00:00Z")
    assert times.read("2026-03-26", None) == ("2026-03-26T01:00:00.000000Z", ())
    unread = f"The time {str(sent_at)!r} in `sentAt` cannot be read: it is not used."
    assert times.notes[0] == unread
    other = EventTimes(ARRIVAL, sent_at, "noon")
    assert other.read("2026-03-26", None) == ("2026-03-26T00:00:00.000000Z", ())
    assert other.notes[-1] == "The time 'noon' in `x-timestamp` cannot be read: it is not used."


@pytest.mark.parametrize("sent_at", [None, [], {}, {"create": None}])
def test_without_a_time_of_sending_nothing_is_corrected(sent_at: Any) -> None:
    times = EventTimes(ARRIVAL, sent_at, "")
    assert times.read("2026-03-26", None) == ("2026-03-26T00:00:00.000000Z", ())
    assert times.notes == ()


def test_an_event_without_a_time_needs_no_correction() -> None:
    times = EventTimes(ARRIVAL, "1970-01-01")
    assert times.read(None, {"ip": "192.0.2.1"}) == (ARRIVAL, ())
    assert times.notes == ()


def test_a_corrected_time_may_still_be_later_than_its_arrival_or_be_none() -> None:
    created, notes = EventTimes(ARRIVAL, "2031-01-01").read("2031-01-02", None)
    assert (created, len(notes)) == ("2026-03-28T12:00:00.000000Z", 1)
    created, notes = EventTimes(ARRIVAL, "0001-01-01").read("9999-01-01", None)
    assert created == ARRIVAL
    assert notes == ("The event's time '9999-01-01' cannot be read: the server's time is used.",)


@given(st.lists(st.integers(0, 10**16) | st.integers(0, 3_000_000), min_size=1))
def test_a_clock_gives_the_timestamp_of_each_moment_also_when_it_is_set_back(moments: list[int]) -> None:
    clock = Clock(iter(moments).__next__).now
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [clock() for _ in moments] == [timestamp(epoch + timedelta(microseconds=moment)) for moment in moments]


def test_the_default_clock_gives_the_present_time() -> None:
    before = timestamp(datetime.now(UTC))
    assert before <= Clock().now() <= timestamp(datetime.now(UTC))


@pytest.mark.parametrize("general", [False, True])
def test_the_time_of_sending_is_read_from_the_payload_or_the_header(general: bool) -> None:
    parser = PayloadParser(10)
    event = {"type": "t", "time": "2026-01-30T12:00:00Z"}
    for sent, header in ({"sentAt": "2026-03-27T11:00:00Z"}, "1970-01-01"), ({}, "2026-03-27T11:00:00Z"):
        body = json.dumps(
            {"source": {"id": "s"}, "session": {"id": "x"}, "events": [event, {"type": "t"}], **sent}
        ).encode()
        payload = parser.parse_general(body) if general else parser.parse(body)
        call = decode(payload, number=7, received=ARRIVAL, sent=header)
        assert [event.created for event in call.events] == ["2026-01-30T13:00:00.000000Z", ARRIVAL]
        name = "sentAt" if sent else "x-timestamp"
        assert call.notes == (
            f"The client's clock is 1:00:00 behind (`{name}`): the times of the events are corrected.",
        )
        assert [event.notes for event in call.events] == [(), ()]
