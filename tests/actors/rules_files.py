"""Hypothesis strategies: rules files with any valid steps and conditions."""

from typing import Any

from hypothesis import strategies as st

KEYS = st.sampled_from("ab")
EVENT_TYPES = ["t", "u", "page-view"]


scalars = (
    st.integers(-3, 3) | st.sampled_from([0.1, 0.2, -2.5, 1e3, "", "x", "y", "long " * 300, 2**63 - 1]) | st.booleans()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(KEYS, values, max_size=2)

ONE = [
    f"{place}{key}"
    for place in ("traits.public.", "traits.private.", "pii.", "interests.", "stats.counters.")
    for key in ("a", "b", "t")
]
NESTED = ["traits.public.a.b", "traits.private.a.b.a", "pii.b.a", "interests.a.a"]
EACH = ["traits.public.*", "traits.public.a.*", "pii.*", "interests.*", "stats.counters.*"]
OPERATIONS = ["set", "set_if_absent", "increment", "decrement", "max", "min", "append", "append_unique", "remove"]
VALUE_AT = [
    "properties.a",
    "properties.b",
    "properties.a.b",
    "event.type",
    "event.id",
    "profile.stats.views",
    "profile.traits.public.a",
]
OBJECT_AT = ["properties", "properties.a", "event.properties", "profile.traits.public", "profile.stats.counters"]


def of(target: str, op: str, operand: dict[str, Any]) -> dict[str, Any]:
    """A step. A literal that no rules file may have for this target is replaced by a valid one."""
    value = operand.get("value")
    if "value" in operand and not target.endswith("*"):
        if target.startswith("consents"):
            operand = {"value": bool(value)}
        elif (target.startswith("stats") or op in ("increment", "decrement")) and type(value) not in (int, float):
            operand = {"value": 0.5}
        elif op in ("max", "min") and type(value) not in (int, float, str):
            operand = {"value": "m"}
    return {"target": target, "op": op, **operand}


literals = st.builds(lambda value: {"value": value}, values)
found = st.builds(lambda path: {"from": path}, st.sampled_from(VALUE_AT))
found_objects = st.builds(lambda path: {"from": path}, st.sampled_from(OBJECT_AT))
one_value = st.sampled_from(ONE + NESTED)
steps = st.one_of(
    st.builds(of, one_value, st.sampled_from(OPERATIONS), found | found_objects | literals),
    st.builds(of, one_value, st.sampled_from(["unset", "increment", "decrement"]), st.just({})),
    st.builds(of, st.sampled_from(EACH), st.sampled_from([*OPERATIONS, "unset"]), found_objects),
    st.builds(
        of, st.sampled_from(EACH), st.sampled_from(OPERATIONS), st.builds(lambda value: {"value": value}, objects)
    ),
)
consent_steps = st.one_of(
    st.builds(
        of, st.sampled_from(["consents.a", "consents.b"]), st.sampled_from(["set", "set_if_absent"]), found | literals
    ),
    st.builds(of, st.sampled_from(["consents.a", "consents.b"]), st.just("unset"), st.just({})),
    st.builds(of, st.just("consents.*"), st.sampled_from(["set", "set_if_absent", "unset"]), found_objects),
)
conditions = st.sampled_from(
    [
        "event.properties.a == 1",
        "event.type != 't'",
        "profile.stats.views > 1",
        "profile.stats.counters.t >= 2",
        "profile.interests.a > 0",
        "'a' in profile.traits.public",
        "profile.pii.b == event.properties.b",
        "'b' in profile.consents",
        "'s0' in profile.segments",
        "profile.traits.public.a.exists(x, x == event.id)",
        "session.id == 'S' && source.id == 'source'",
    ]
)


def rule(event: list[str], taken: list[dict[str, Any]], when: str | None, days: int | None) -> dict[str, Any]:
    consents = any(step["target"].startswith("consents") for step in taken)
    entry = {"event": event, "steps": taken, "valid_for_days": days if consents else None}
    return entry | ({"when": when} if when else {})


def named(prefix: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "name": f"{prefix}{n}"} for n, entry in enumerate(entries)]


types = st.lists(st.sampled_from(EVENT_TYPES), min_size=1, max_size=2, unique=True)
rule_entries = st.builds(
    rule, st.just(["*"]) | types, st.lists(steps, min_size=1, max_size=3), st.none() | conditions, st.none()
) | st.builds(
    rule,
    types,
    st.lists(steps | consent_steps, min_size=1, max_size=3),
    st.none() | conditions,
    st.none() | st.just(30),
)
segment_entries = st.fixed_dictionaries({"when": conditions, "event": st.just([]) | types})
rule_lists = st.lists(rule_entries, min_size=1, max_size=4).map(lambda entries: named("r", entries))
CONSENTS = {"name": "consents", "event": "t", "steps": [{"target": "consents.*", "from": "properties"}]}
files = st.fixed_dictionaries(
    {
        "rule": rule_lists | rule_lists.map(lambda entries: [CONSENTS, *entries]),
        "segment": st.lists(segment_entries, max_size=3).map(lambda entries: named("s", entries)),
        "event": st.just({})
        | st.builds(
            lambda event_type, of_a: {event_type: {"schema": {"type": "object", "properties": {"a": {"type": of_a}}}}},
            st.sampled_from(EVENT_TYPES),
            st.sampled_from(["number", "boolean", "object"]),
        ),
        "unwanted": st.just([]) | st.just([{"name": "u", "types": ["u"]}]),
    }
)
