"""JSON text of clients: marks, encodings, and half an emoji."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.http.faults import faults_of
from trackd.http.errors import HttpError
from trackd.http.json_text import find_lone_surrogates, place_text, readable_json, replace_lone_surrogates

HIGH, LOW = "\ud83d", "\ude00"
HALVES = st.sampled_from([HIGH, LOW, "\ud800", "\udfff", "\U0001f600", "\\", '"', "u", "d83d", "\\ud83d", "x", "é"])
TEXTS = st.lists(HALVES, max_size=12).map("".join)


def joined(text: str) -> str:
    """The text with its pairs of surrogates as the characters that they stand for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def mended(text: str) -> str:
    """The text as UTF-16 is decoded by the book."""
    return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in joined(text))


def message(body: bytes) -> str:
    with pytest.raises(HttpError) as error:
        readable_json(body)
    [fault] = faults_of(error.value)
    assert (fault["loc"], fault["type"]) == (["body"], "json_invalid")
    return str(fault["msg"])


@given(TEXTS, st.booleans())
def test_each_lone_surrogate_is_replaced_and_nothing_else(text: str, upper: bool) -> None:
    encoded = json.dumps({text: [text]})
    if upper:
        encoded = re.sub(r"\\(?:u(....)|.)", lambda found: f"\\u{found[1].upper()}" if found[1] else found[0], encoded)

    [(key, value)] = json.loads(replace_lone_surrogates(encoded.encode())).items()

    assert (key, value) == (mended(text), [mended(text)])


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\uDE00"', "\ufffd"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\uD83D\uDE00"', "\U0001f600"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\ud83d\ude00\ude00"', "\U0001f600\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'"\"\ud83d\""', '"\ufffd"'),
        (rb'"\ud83d\n\ude00"', "\ufffd\n\ufffd"),
        (rb'"\ud83d\u0041"', "\ufffdA"),
        (rb'"\\\\\ud83d\ude00\\\ud83d\\\ude00"', "\\\\\U0001f600\\\ufffd\\\ufffd"),
    ],
)
def test_half_an_emoji_is_replaced_and_a_whole_one_is_kept(sent: bytes, read: str) -> None:
    assert json.loads(readable_json(sent)) == read


@pytest.mark.parametrize("sent", [b'"\\ud83"', b'"\\u"', b'"\\ud83g"', b"\\ud83d", b'"\\'])
def test_text_that_is_not_json_stays_so(sent: bytes) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(readable_json(sent))


def test_a_byte_order_mark_is_skipped_once() -> None:
    assert readable_json(b"\xef\xbb\xbf{}") == b"{}"
    assert readable_json(b"\xef\xbb\xbf\xef\xbb\xbf{}") == b"\xef\xbb\xbf{}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": "\xff"}', "is not UTF-8: the byte 0xff at position 7"),
        (b'{"a": "\xe4"}', "is not UTF-8: the byte 0xe4 at position 7"),
        (b'\xef\xbb\xbf"\xff"', "is not UTF-8: the byte 0xff at position 1"),
        (b'"\xc0\x80"', "is not UTF-8: the byte 0xc0 at position 1"),
        (b'"\xed\xa0\xbd"', "the byte 0xed at position 1 begins a surrogate that is encoded alone, as CESU-8 does"),
        (b'"\xed\xa0\xbd\xed\xb8\x80"', "the byte 0xed at position 1 begins a surrogate that is encoded alone"),
        (b'"\xed', "is not UTF-8: the byte 0xed at position 1"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8: it begins with the mark of UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "looks like UTF-16 or UTF-32"),
        ('{"a": 1}'.encode("utf-16-be"), "looks like UTF-16 or UTF-32"),
        ('{"a": 1}'.encode("utf-32-be"), "looks like UTF-16 or UTF-32"),
        (b"\x1f\x8b\x08\x00", "it looks like gzip, which needs the header Content-Encoding: gzip"),
    ],
)
def test_another_encoding_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    assert reason in message(body)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ({"a": "x", "b": ["\U0001f600"]}, []),
        ({"a": HIGH}, ["a"]),
        ({"a": [1, {"b": "x" + LOW}, HIGH]}, ["a.1.b", "a.2"]),
        ({HIGH: LOW, "b": HIGH}, ["\ufffd", "b"]),
        ({HIGH: {"c": HIGH}}, ["\ufffd", "\ufffd.c"]),
        ({"k" * 100: HIGH}, ["k" * 64]),
    ],
)
def test_the_places_of_lone_surrogates_are_found(value: Any, places: list[str]) -> None:
    found, searched_all = find_lone_surrogates(json.dumps(value).encode())
    assert ([place_text(place) for place in found], searched_all) == (places, True)


def test_a_deep_place_is_shown_in_part() -> None:
    deep: Any = HIGH
    for _ in range(60):
        deep = {"a": deep}
    [place], _ = find_lone_surrogates(json.dumps(deep).encode())
    assert place_text(place) == ".".join("a" * 16)
