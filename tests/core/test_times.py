"""Times as people and programs write them."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from time import tzset
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trackd.core.documents import timestamp
from trackd.core.times import read_time

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NOON = "2026-01-31T12:00:00.000000Z"
MIDNIGHT = "2026-01-31T00:00:00.000000Z"
LAST_SECOND = 20_000_000_000  # larger numbers are milliseconds


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31T12:00:00.000Z", NOON),
        ("2026-01-31T14:00:00+02:00", NOON),
        ("2026-01-31T12:00:00", NOON),
        ("2026-01-31 12:00:00", NOON),
        ("2026-01-31t12:00:00z", NOON),
        (" 2026-01-31T12:00:00Z\n", NOON),
        ("2026-01-31T12:00:00 Z", NOON),
        ("2026-01-31T17:00:00+05", NOON),
        ("2026-01-31T17:30:00+0530", NOON),
        ("2026-01-31T10:00:00\u221202:00", NOON),
        ("2026-01-31T12", NOON),
        ("2026-01-31T12Z", NOON),
        ("2026-01-31T17+05", NOON),
        ("20260131T120000Z", NOON),
        ("20260131T12", NOON),
        ("2026-W05-6T12:00", NOON),
        ("2026-031T12:00:00Z", NOON),
        ("2026031T1200", NOON),
        ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123456Z"),
        ("2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00.500000Z"),
        ("2026-01-31", MIDNIGHT),
        ("20260131", MIDNIGHT),
        (" 20260131 ", MIDNIGHT),
        ("2026-W05-6", MIDNIGHT),
        ("2026W056", MIDNIGHT),
        ("2026-W06", "2026-02-02T00:00:00.000000Z"),
        ("2026-031", MIDNIGHT),
        ("2024-366", "2024-12-31T00:00:00.000000Z"),
        ("2026-01", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-30T24:00:00", MIDNIGHT),
        ("2026-01-30T24:00:00.000Z", MIDNIGHT),
        ("2026-01-30T24", MIDNIGHT),
        ("2026-030T24:00Z", MIDNIGHT),
        ("20260130T2400", MIDNIGHT),
        ("2026-W05-5T240000", MIDNIGHT),
        ("2026-01-31T24:00+12:00", NOON),
        ("2026-12-31T24:00", "2027-01-01T00:00:00.000000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ("2016-12-31T23:59:60.250Z", "2017-01-01T00:00:00.250000Z"),
        ("20161231T235960+0100", "2016-12-31T23:00:00.000000Z"),
        ("2026-031T11:59:60", NOON),
        (1769860800, NOON),
        (1769860800.0, NOON),
        (1769860800000, NOON),
        ("1769860800", NOON),
        ("1769860800000", NOON),
        (" 1769860800 ", NOON),
        ("+1769860800", NOON),
        (1769860800.5, "2026-01-31T12:00:00.500000Z"),
        ("1769860800.5", "2026-01-31T12:00:00.500000Z"),
        (1769860800000.25, "2026-01-31T12:00:00.000250Z"),
        (20260131, "1970-08-23T11:48:51.000000Z"),
        ("2026031", "1970-01-24T10:47:11.000000Z"),
        ("20260131120000", "2612-01-08T06:12:00.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.000000Z"),
        ("-1", "1969-12-31T23:59:59.000000Z"),
        (-20_000_000_001, "1969-05-14T12:26:39.999000Z"),
        ("0001-001", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_a_time_is_iso_8601_or_an_epoch(written: Any, read: str) -> None:
    assert read_time(written) == read


@pytest.mark.parametrize(
    "written",
    [
        *("", " ", "soon", "12:00", "P1D", "inf", "nan", "1e9", "\ud800", "\u0663"),
        *(
            "2026-02-30",
            "99999999",
            "2026-13",
            "2026-00",
            "2026-366",
            "2026-000",
            "2026-W54",
            "2026-W01-8",
            "0000-01-01",
        ),
        *("2026-01-31T25:00", "2026-01-31T24:01", "2026-01-31T24:00:00.1", "2026-01-31T12:60", "2026-01-31T12:00:61"),
        *("2026-01-31T24:00:60", "2026-01-31T12:00Z+02:00", "2026-01-31T12:00 CET", "31.01.2026", "2026-1-31"),
        *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "9999-12-31T24:00", "9999-12-31T23:59:60"),
        *("1769860800000000", "9" * 5_000, True, False, 1e20, 10**30, -(10**30), float("inf"), float("nan")),
        *(None, {}, {"create": 1}, [], [1]),
    ],
)
def test_a_value_that_is_no_time_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="no time in ISO 8601 and no epoch, in the years 1 to 9999"):
        read_time(written)


def test_a_time_without_a_zone_is_utc_whatever_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "XYZ+5")
        tzset()
        read = [read_time(written) for written in ("2026-01-31T12:00:00", "2026-031T12", 1769860800)]
    tzset()
    assert read == [NOON] * 3


moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31))
zones = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, zones, st.sampled_from(["", " ", "\t\n"]))
@settings(deadline=None)
def test_every_iso_time_is_read_exactly(naive: datetime, zone: timezone | None, blanks: str) -> None:
    moment = naive.replace(tzinfo=zone)
    assert read_time(f"{blanks}{moment.isoformat()}{blanks}") == timestamp(moment)


@given(
    moments.map(lambda moment: moment.replace(year=max(moment.year, 1004))),  # strftime writes no zeros before a year
    zones,
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%Y-%j", "%Y%j", "%G-W%V-%u", "%GW%V%u"]),
    st.sampled_from(["", "T%H", " %H:%M", "T%H%M", "t%H:%M:%S", "T%H%M%S", "T%H:%M:%S.%f", "T%H%M%S,%f"]),
)
@settings(deadline=None)
def test_every_form_of_a_date_goes_with_every_form_of_a_time(
    naive: datetime, zone: timezone | None, day: str, time: str
) -> None:
    parts = {"hour": "%H", "minute": "%M", "second": "%S", "microsecond": "%f"}
    moment = naive.replace(tzinfo=zone if time else None)
    moment = moment.replace(**{part: 0 for part, directive in parts.items() if directive not in time})  # type: ignore[arg-type]
    written = moment.strftime(f"{day}{time}%z")
    if not written.isdigit() or len(written) == 8:  # other digits are an epoch
        assert read_time(written) == timestamp(moment)


@given(st.dates(date(1, 1, 1), date(9999, 12, 30)), st.sampled_from(["T24", " 24:00", "T24:00:00", "T240000.000"]))
def test_24_o_clock_is_the_beginning_of_the_next_day(day: date, end: str) -> None:
    assert read_time(f"{day.isoformat()}{end}Z") == f"{day + timedelta(days=1)}T00:00:00.000000Z"


@given(st.integers(-253_402_300_799_999, 253_402_300_799_999))
@settings(deadline=None)
def test_every_number_is_seconds_or_milliseconds_also_as_a_text(number: int) -> None:
    unit = timedelta(seconds=1) if abs(number) <= LAST_SECOND else timedelta(milliseconds=1)
    try:
        moment = timestamp(datetime(1970, 1, 1, tzinfo=UTC) + number * unit)
    except OverflowError:
        with pytest.raises(ValueError, match="years 1 to 9999"):
            read_time(number)
        return
    assert read_time(number) == moment
    if len(str(number)) != 8:
        assert read_time(str(number)) == moment


@given(st.text(st.sampled_from("0123456789-+:.,TWZ "), max_size=30) | st.text() | st.floats() | st.integers())
@settings(deadline=None)
def test_any_text_and_number_is_a_time_or_refused(written: Any) -> None:
    try:
        assert TIMESTAMP.fullmatch(read_time(written))
    except ValueError:
        pass
    else:
        assert read_time(written) == read_time(read_time(written))
