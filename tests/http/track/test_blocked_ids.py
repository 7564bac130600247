"""Which ids are placeholders, and that the fast check agrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackd.config.settings import Limits
from trackd.http.track.blocked_ids import SPACES, BlockedIds

BLOCKED = BlockedIds(Limits().blocked_ids)
WORDS = [
    *("undefined", "null", "none", "nan", "true", "false", "[object Object]", "anonymous", "guest", "0", "-1"),
    *("Undefined", "NULL", "None", "NaN", "TRUE", "[object object]", "Anonymous", "GUEST"),
    *('"undefined"', "'null'", "`none`", "\u201cguest\u201d", '"" "', "' undefined '", "\u200bundefined"),
    *("0000", "-", "---", "\u2014", "- 0 -", " ", "\u00a0", "\ufeff", "0-0", "00000000-0000-0000-0000-000000000000"),
    *("'00000000-0000-0000-0000-000000000000'", "00000000000000000000000000000000", '"'),
    *("0.0", "-0.0", "0.000", "-1.0", "'0.0'", "{00000000-0000-0000-0000-000000000000}", "{}"),
]
OTHERS = [
    *("undefined1", "my undefined", "nullable", "guest-17", "00000000-0000-0000-0000-000000000001", "-10", "10", "0.5"),
    *("01a22226-239b-763a-9c86-c4593295900e", "01A22226-239B-763A-9C86-C4593295900E", "object Object", "--1", "o", "ü"),
    *("1.0", "0.01", "-1.5", "-10.0", "0.0.0", ".0", "{01a22226-239b-763a-9c86-c4593295900e}"),
]


@pytest.mark.parametrize("text", WORDS)
def test_a_placeholder_is_blocked_whatever_its_case_and_quotes(text: str) -> None:
    assert text in BLOCKED
    assert BLOCKED.has_unusual(["a-session", text])


@pytest.mark.parametrize("text", OTHERS)
def test_an_id_that_only_contains_a_placeholder_is_not_blocked(text: str) -> None:
    assert text not in BLOCKED
    assert not BLOCKED.has_unusual([text])


def test_other_words_can_be_blocked_and_zero_stands_for_all_ids_of_nothing() -> None:
    own = BlockedIds("N/A, 'Test User',, Straße,")
    assert all(text in own for text in ("n/a", "test user", "STRASSE"))
    assert not any(text in own for text in ("undefined", "0", "---", "00000000-0000-0000-0000-000000000000"))
    assert "---" in BlockedIds("0")
    assert "0" not in BlockedIds("00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("text", WORDS)
def test_with_an_empty_list_nothing_is_blocked(text: str) -> None:
    assert text not in BlockedIds()
    assert BlockedIds().has_unusual([text]) == (text.strip() != text)


def test_blanks_are_all_those_of_unicode() -> None:
    blanks = [chr(code) for code in range(0x110000) if chr(code).isspace()]
    assert set(blanks) == set(SPACES)
    assert all(BLOCKED.has_unusual([text]) for blank in blanks for text in (f"{blank}a-session", f"a-session{blank}"))


PARTS = st.sampled_from(
    ["undefined", "[object Object]", "0", "-", " ", '"', "'", "\u200b", "\u2014", "x", "Straße", "1", ".0", "}"]
)


@given(
    st.lists(PARTS, min_size=1, max_size=6).map("".join),
    st.sampled_from(["undefined", "STRASSE", "0", "[OBJECT object]"]),
)
def test_the_fast_check_agrees_with_the_exact_one(text: str, word: str) -> None:
    blocked = BlockedIds(word)
    assert blocked.has_unusual([text]) == (text in blocked or text.strip() != text)
