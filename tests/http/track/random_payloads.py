"""Payloads drawn at random, and JSON texts of them as odd clients write them."""

import json
from random import Random
from typing import Any

from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
IDS = st.sampled_from(
    [
        *("s", " s", "s\u00a0", "\u2028", "\x1fs", "", "undefined", "'NULL'", "0-0", "-1"),
        *("x" * 255, "x" * 256, "ü" * 255, "\U0001f600" * 256),
    ]
)
TEXTS = st.text(min_size=1, max_size=9)
NAMES = st.sampled_from(["saveEvent", "saveSession", "profile", "debugger", "logs"])
OPTIONS = st.dictionaries(NAMES, st.booleans() | st.none(), max_size=3)
ODD: st.SearchStrategy[object] = st.none() | st.just([]) | VALUES
SPACES = ("", "", "", " ", "\n", "\t\r\n ")


def mostly(usual: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 15 + [odd]).flatmap(lambda chosen: chosen)


def payloads() -> st.SearchStrategy[dict[str, Any]]:
    """Most are valid, and each part of some is odd. They are of the source `s`."""
    plain_id = st.just({"id": "s"})
    session_id = st.integers(0, 999).map(lambda number: {"id": f"s-{number}"})
    odd_id = st.fixed_dictionaries({"id": IDS | ODD}, optional={"other": VALUES}) | ODD
    part = mostly(OBJECTS, ODD)
    event = st.fixed_dictionaries(
        {"type": mostly(st.just("page-view") | TEXTS, IDS | ODD)},
        optional={
            "id": mostly(TEXTS, IDS | ODD),
            "properties": part,
            "context": part,
            "options": part | OPTIONS,
            "time": VALUES,
            "metadata": VALUES,
            "tags": VALUES,
        },
    )
    return st.fixed_dictionaries(
        {"source": plain_id, "session": mostly(session_id, odd_id), "events": st.lists(event, max_size=3)},
        optional={
            "profile": mostly(plain_id, odd_id),
            "context": part,
            "properties": part,
            "options": part | OPTIONS,
            "sentAt": st.sampled_from([None, True, [], {}, "soon"]),
            "device": VALUES,
        },
    )


@st.composite
def json_texts(draw: st.DrawFn, number: int = 1) -> list[bytes]:
    """Some texts of a random payload: blanks, escapes, half emojis, odd numbers, keys given twice, single faults."""
    random, payload = Random(draw(st.integers(0, 2**32))), draw(payloads())
    return [_body(payload, random) for _ in range(number)]


def _body(payload: Any, random: Random) -> bytes:
    body = _text(payload, random).encode("utf-8", "surrogatepass")
    if random.random() < 0.1:
        position = random.randrange(len(body))
        body = body[:position] + random.choice((b"", b'"', b",", b"\\", b"}", b"0", b"\xff")) + body[position + 1 :]
    return body


def _text(value: Any, random: Random) -> str:
    before, after = random.choice(SPACES), random.choice(SPACES)
    return f"{before}{_bare(value, random)}{after}"


def _bare(value: Any, random: Random) -> str:
    if isinstance(value, dict):
        items = [f"{_string(key, random)}{random.choice(SPACES)}:{_text(item, random)}" for key, item in value.items()]
        if items and random.random() < 0.1:
            key = random.choice(list(value))
            items.insert(0, f"{_string(key, random)}:{random.choice(('0', '{}', '[]'))}")
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(item, random) for item in value) + "]"
    if isinstance(value, str):
        return _string(value, random)
    text = json.dumps(value).replace("Infinity", "1e999" if random.random() < 0.1 else "1e99")
    if isinstance(value, int) and not isinstance(value, bool):
        text += random.choice(("", "", "", ".0", "e0", "E+1", "e-2", "0" * 20, ".50e3"))
    return text


def _string(value: str, random: Random) -> str:
    return '"' + "".join(_character(character, random) for character in value) + _half(random) + '"'


def _character(character: str, random: Random) -> str:
    if random.random() < 0.8:
        return json.dumps(character, ensure_ascii=False)[1:-1]
    if character in '\\/"' and random.random() < 0.5:
        return f"\\{character}"
    escaped = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = escaped.upper() if random.random() < 0.5 else escaped
    return "".join(f"\\u{escaped[at : at + 4]}" for at in range(0, len(escaped), 4))


def _half(random: Random) -> str:
    return random.choice((r"\ud83d", r"\uDE00", r"\\ud83d", r"\ud83d\ud83d\ude00")) if random.random() < 0.02 else ""
