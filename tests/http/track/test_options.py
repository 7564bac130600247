"""Contract 2.2: the values of options, and which one wins."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.http.track.options import EventOptions, event_options, option, requests_profile

NO_BOOLEAN = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.booleans())
    | st.dictionaries(st.text(), st.none())
)
FIELDS = {"saveEvent": "save_event", "saveSession": "save_session", "debugger": "debugger", "logs": "logs"}


def options_with(name: str, value: bool | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


def test_without_options_everything_is_saved_and_reported() -> None:
    assert event_options({}, EventOptions()) == EventOptions(
        save_event=True, save_session=True, debugger=True, logs=True
    )


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(("payload", "event"), list(itertools.product([None, True, False], repeat=2)))
def test_the_option_of_the_event_wins_over_that_of_the_payload(
    name: str, payload: bool | None, event: bool | None
) -> None:
    defaults = event_options(options_with(name, payload), EventOptions())
    options = event_options(options_with(name, event), defaults)
    expected = event if event is not None else payload if payload is not None else True
    assert getattr(options, FIELDS[name]) is expected
    others = [field for field in FIELDS.values() if field != FIELDS[name]]
    assert all(getattr(options, field) is True for field in others)


@pytest.mark.parametrize("name", ["saveEvent", "saveEvents", "save"])
def test_an_event_is_not_stored_under_each_name_of_the_option(name: str) -> None:
    assert event_options({name: False}, EventOptions()).save_event is False


def test_the_first_name_that_has_a_boolean_counts() -> None:
    assert event_options({"save": False, "saveEvents": True}, EventOptions()).save_event is True
    assert event_options({"saveEvents": True, "saveEvent": False}, EventOptions()).save_event is False
    names = ("saveEvent", "saveEvents", "save")
    assert option({"save": False, "saveEvents": True}, *names) is True
    assert option({"save": False, "saveEvent": "yes"}, *names) is False
    assert option({"other": True}, *names) is None


@given(st.sampled_from([*FIELDS, "saveEvents", "save"]), NO_BOOLEAN)
def test_values_that_are_not_boolean_are_ignored(name: str, value: Any) -> None:
    for default in (EventOptions(), EventOptions(False, False, False, False)):
        assert event_options({name: value}, default) == default


@pytest.mark.parametrize(("value", "requested"), [(None, False), (True, True), (False, False)])
def test_true_requests_the_profile(value: bool | None, requested: bool) -> None:
    assert requests_profile(options_with("profile", value)) is requested


@given(NO_BOOLEAN)
def test_only_true_requests_the_profile(value: Any) -> None:
    assert requests_profile({"profile": value}) is False
