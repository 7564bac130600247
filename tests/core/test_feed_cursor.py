import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.feed_cursor import MAX_NUMBER, Cursor

HISTORY = "5f0c2a9b61d3e874"


@given(st.integers(0, MAX_NUMBER))
def test_a_cursor_is_read_as_it_was_written(events: int) -> None:
    assert Cursor.read(Cursor(HISTORY, events).text) == Cursor(HISTORY, events)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "-1",
        f"1.{HISTORY}",
        f"1.{HISTORY}.e",
        f"1.{HISTORY}.e01",
        f"1.{HISTORY}.e-1",
        f"1.{HISTORY}.e\u0663",
        f"1.{HISTORY}.e1\n",
        f" 1.{HISTORY}.e1",
        f"1.{HISTORY}.e{MAX_NUMBER + 1}",
        f"2.{HISTORY}.e1",
        f"1.{HISTORY.upper()}.e1",
        f"1.{HISTORY}.x1",
        "1.short.e1",
    ],
)
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="should be the `cursor` of a record"):
        Cursor.read(text)
