import math
from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import given
from hypothesis import strategies as st

from tests.core.rules.evaluating import ROOTS, reason_of, unmet
from trackd.core.rules.cel_values import exact, may_have_large_integer
from trackd.core.rules.condition_work import NUL, Sizes
from trackd.core.rules.conditions import Condition

DYN = cel.NewEnv(variables={"value": cel.Type.DYN})


def through_cel(value: Any) -> Any:
    """The value as CEL has it."""
    return DYN.compile("value").eval(data={"value": exact(value)}).plain_value()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "\0",
        "a\0b",
        "é\0😀" * 100_000,  # its length takes three bytes
        ["\0", ["a\0"], {"k\0": ["\0v"], "k": 1}],
        {"": None, "\0": {"\0\0": True}},
        [1, -1, 2.5, True, False, 2**63 - 1, -(2**63), 2**64 - 1],
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_arrive_in_cel_as_they_are(value: Any) -> None:
    assert through_cel(value) == value


@pytest.mark.parametrize(
    ("number", "decimal"),
    [
        (2**64, 18446744073709551616.0),
        (-(2**63) - 1, -9223372036854775808.0),
        (10**308, 1e308),
        (10**309, math.inf),
        (-(10**4000), -math.inf),
    ],
    ids=lambda number: str(number)[:10],
)
def test_whole_numbers_beyond_64_bits_arrive_as_decimals(number: int, decimal: float) -> None:
    arrived = through_cel({"a": [number]})["a"][0]
    assert isinstance(arrived, float)
    assert arrived == decimal


@pytest.mark.parametrize(
    ("text", "may_have"),
    [
        (b'{"a":9223372036854775808}', True),
        (b"[-1234567890123456789]", True),
        (b'{"a":123456789012345678,"b":"12"}', False),
        (b"{}", False),
    ],
)
def test_large_numbers_are_found_by_their_digits(text: bytes, may_have: bool) -> None:
    assert may_have_large_integer(text) is may_have


NUL_ROOTS: dict[str, Any] = {
    **ROOTS,
    "event": {**ROOTS["event"], "id": "e\0", "type": "x\0", "tags": ["t\0"], "metadata": {"ip": "ip\0"}},
    "properties": {"v": "gold\0x", "list": ["a\0b", "\0"], "o": {"k\0": {"k": "é\0😀"}}, "a": 1, "a\0": 2},
    "context": {"long": "x" * 300 + "\0"},
    "profile": {
        **ROOTS["profile"],
        "id": "p\0",
        "stats": {"visits": 1, "views": 1, "counters": {"x": 1, "x\0": 2}},
        "segments": ["s\0"],
    },
    "session": {"id": "S\0", "context": {"\0": "\0"}, "properties": {}},
    "source": {"id": "source\0", "name": "shop\0", "tags": ["t", "t\0u"]},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event.properties.v == 'gold'", False),
        (r"event.properties.v == 'gold\u0000x'", True),
        (r"event.properties.v in ['gold', 'gold\x00y', 'gold\000x']", True),
        ("event.properties.v == 'gold\0x'", True),
        ("event.properties.v.startsWith('gold') && event.properties.v.endsWith('x')", True),
        (r"event.properties.v.contains('\u0000') && size(event.properties.v) == 6", True),
        ("event.properties.v.matches('^gold$')", False),
        (r"event.properties.v.matches('^gold\\x00x$')", True),
        (r"event.properties.v > 'gold' && event.properties.v < 'gold\u0001'", True),
        (r"event.properties.v + '!' == 'gold\u0000x!'", True),
        ("'a' in event.properties.list || '' in event.properties.list", False),
        (r"'\u0000' in event.properties.list", True),
        ("event.properties.list.exists(one, one == 'a')", False),
        (r"event.properties.list.exists_one(one, one == 'a\u0000b')", True),
        (r"event.properties.o['k\u0000'].k == 'é\u0000😀'", True),
        ("has(event.properties.o.k)", False),
        (r"event.properties.a == 1 && event.properties['a\u0000'] == 2", True),
        (r"event.properties.map(key, key == 'a\u0000').size() == 5", True),
        ("event.context.long == 'x'", False),
        ("event.type == 'x' || event.id == 'e' || 't' in event.tags", False),
        (r"event.type == 'x\u0000' && event.id == 'e\u0000' && 't\u0000' in event.tags", True),
        (r"event.metadata.ip == 'ip' || number(event.properties.a) == 2 || number(event.properties.v) == 1", False),
        (r"event.metadata.ip == 'ip\u0000' && number(event.properties.a) == 1 && event.type == 'x\u0000'", True),
        (r"profile.stats.counters.x == 1 && profile.stats.counters['x\u0000'] == 2", True),
        ("profile.id == 'p' || 's' in profile.segments", False),
        (r"profile.id == 'p\u0000' && 's\u0000' in profile.segments", True),
        ("session.id == 'S' || '' in session.context", False),
        (r"session.id == 'S\u0000' && session.context['\u0000'] == '\u0000'", True),
        ("source.id == 'source' || source.name == 'shop' || 'tu' in source.tags", False),
        (r"source.id == 'source\u0000' && source.name == 'shop\u0000' && source.tags == ['t', 't\u0000u']", True),
    ],
)
def test_a_text_or_key_with_u_0000_equals_nothing_but_itself(text: str, holds: bool) -> None:
    assert (unmet(text, NUL_ROOTS) is None) is holds


@given(
    one=st.text("\0\1a€", max_size=4),
    other=st.text("\0\1a€", max_size=4),
    place=st.sampled_from(["v", "l[0]", "o.k"]),
)
def test_texts_compare_as_in_python(one: str, other: str, place: str) -> None:
    literal = "'" + "".join(f"\\U{ord(character):08x}" for character in other) + "'"
    roots = {**ROOTS, "properties": {"v": one, "l": [one], "o": {"k": one}}}
    for operator, holds in [("==", one == other), ("<", one < other), (">=", one >= other)]:
        assert (unmet(f"event.properties.{place} {operator} {literal}", roots) is None) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event.properties.total >= 100.0", True),
        ("event.properties.wei > 5 && event.properties.wei == 20000000000000000000.0", True),
        ("event.properties.debt < -9.2e18 && event.properties.max == 18446744073709551615u", True),
        ("event.properties.list[1] < -5 && event.properties.list[0] == 1", True),
        ("event.properties.o.deep[0]['18446744073709551616'] > 1e19", True),
        ("event.properties.beyond > 1e308 && -event.properties.beyond < -1e308", True),
        ("event.properties.absent > 1 || event.properties.wei > 1", True),
        ("event.properties.wei < 1 || event.properties.absent > 1", False),
        ("event.properties.list.exists(one, one < 0)", True),
        ("event.properties.all(key, key != 'x')", True),
        (r"event.properties.text == 'a\u0000' && event.properties.wei > 1", True),
        ("profile.stats.counters.n > 9223372036854775807", True),
        ("profile.interests.n + 0.5 > 1.0", True),
    ],
)
def test_a_whole_number_beyond_64_bits_is_a_decimal_and_no_failure(text: str, holds: bool) -> None:
    profile = {**ROOTS["profile"], "interests": {"n": 2**64}}
    profile["stats"] = {"visits": 1, "views": 1, "counters": {"n": 2**64}}
    properties = {
        "total": 150,
        "wei": 20_000_000_000_000_000_000,
        "debt": -(2**63) - 1,
        "max": 2**64 - 1,
        "list": [1, -(2**64)],
        "o": {"deep": [{"18446744073709551616": 2**64}]},
        "beyond": 10**400,
        "text": "a\0",
    }
    if "text" not in text:
        del properties["text"]
    roots = {**ROOTS, "properties": properties, "profile": profile}
    assert (unmet(text, roots) is None) is holds


def test_a_missing_value_beside_a_large_number_is_missing() -> None:
    reason = reason_of("event.properties.absent > 1", {**ROOTS, "properties": {"wei": 2**64}})
    assert reason.why.startswith("a value is missing")
    assert not reason.failed


def test_a_text_with_u_0000_takes_more_work_as_it_takes_longer() -> None:
    condition = Condition("event.properties.v == 'a'")
    usual = condition.read({**ROOTS, "properties": {"v": "a"}}).sizes
    with_nuls = condition.read({**ROOTS, "properties": {"v": "\0", "\0": 1}}).sizes
    assert (usual, with_nuls) == (Sizes(9, 1, 1, 0), Sizes(25, 2, 2, 2))
    assert with_nuls.conversion - Sizes(25, 2, 2, 0).conversion == 2 * NUL
