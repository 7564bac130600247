import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.core.feed_cursor import MAX_NUMBER, Cursor

HISTORY = "5f0c2a9b61d3e874"


NUMBERS = st.integers(0, MAX_NUMBER)


@given(NUMBERS, st.none() | NUMBERS)
def test_a_cursor_is_read_as_it_was_written(events: int, refusals: int | None) -> None:
    assert Cursor.read(Cursor(HISTORY, events, refusals).text) == Cursor(HISTORY, events, refusals)


@given(st.text() | st.from_regex(rf"1\.{HISTORY}\.e\d{{1,25}}(\.r\d{{0,25}})?"))
def test_a_text_that_is_read_is_the_one_that_would_be_written(text: str) -> None:
    try:
        cursor = Cursor.read(text)
    except ValueError:
        return
    assert cursor.text == text


def test_the_part_for_refusals_is_absent_until_they_are_read() -> None:
    assert Cursor(HISTORY, 7).text == f"1.{HISTORY}.e7"
    assert Cursor(HISTORY, 7, 0).text == f"1.{HISTORY}.e7.r0"


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
        f"1.{HISTORY}.r1",
        f"1.{HISTORY}.r1.e1",
        f"1.{HISTORY}.e1.r",
        f"1.{HISTORY}.e1.r01",
        f"1.{HISTORY}.e1.r1.r1",
        f"1.{HISTORY}.e1.r{MAX_NUMBER + 1}",
    ],
)
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="should be the `cursor` of a record"):
        Cursor.read(text)
