from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.documents import Event, Profile, Source, Token, TokenScope, secret_hash, timestamp
from trackd.core.encoding import json_raw


def test_a_timestamp_is_utc_with_microseconds_and_z() -> None:
    assert timestamp(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "2026-01-31T12:00:00.000000Z"


def test_a_time_of_another_zone_is_converted_to_utc() -> None:
    there = timezone(timedelta(hours=5, minutes=30))

    assert timestamp(datetime(2026, 1, 1, 2, 0, 0, 7, tzinfo=there)) == "2025-12-31T20:30:00.000007Z"


def test_a_moment_without_a_zone_is_utc() -> None:
    assert timestamp(datetime(2026, 1, 31, 12)) == "2026-01-31T12:00:00.000000Z"


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5))
def test_timestamps_sort_as_the_moments_do(moments: list[datetime]) -> None:
    texts = [timestamp(moment) for moment in moments]

    assert sorted(texts) == [timestamp(moment) for moment in sorted(moments)]
    assert {len(text) for text in texts} == {27}
    assert [datetime.fromisoformat(text) for text in texts] == moments


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_a_time_outside_the_years_1_to_9999_is_refused(moment: datetime) -> None:
    with pytest.raises(OverflowError):
        timestamp(moment)


@pytest.mark.parametrize(
    ("document", "field"),
    [(Source("s", "name"), "name"), (Profile("A", 0, 1, json_raw({})), "seq")],
    ids=["source", "profile"],
)
def test_documents_cannot_be_changed(document: Profile | Source, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(document, field, 2)


def test_an_event_has_the_columns_that_the_contract_names() -> None:
    named = "id profile_id seq session_id source_id type created inserted status properties context config"

    assert set(named.split()) <= set(Event._fields)


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        (("read",), {TokenScope.READ, TokenScope.METRICS}),
        (("metrics",), {TokenScope.METRICS}),
        (("erase",), {TokenScope.ERASE}),
        (("admin",), set(TokenScope)),
        (("read", "admin"), set(TokenScope)),
        (("tomorrow's", "Admin"), set()),
        ((), set()),
    ],
)
def test_a_token_opens_its_scopes_and_those_that_they_include(scopes: tuple[Any, ...], opened: set[TokenScope]) -> None:
    assert {scope for scope in TokenScope if Token("t", "", scopes).opens(scope)} == opened


def test_the_hash_of_a_secret_is_sha_256_in_hex() -> None:
    assert secret_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
