import pytest

from tests.core.rules.evaluating import ROOTS, reason_of, unmet
from trackd.core.rules.conditions import DOES_NOT_HOLD, VARIABLES, Condition


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_can_be_read(name: str) -> None:
    assert unmet(f"{name} == {name}") is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("event.properties.n > 2", True),
        ("event.properties.n > 2.5", True),
        ("event.properties.f > 2", True),
        ("event.type == 'page-view' && profile.stats.views == 0", True),
        ("has(event.properties.absent)", False),
        ("session.context.a.b == 1", True),
        ("'x' in profile.stats.counters", False),
        ("event.tags.exists(tag, tag == 't')", True),
        ("timestamp(event.metadata.time.insert) - timestamp(event.metadata.time.create) == duration('24h')", True),
        ("event.properties.text.matches('^x+$')", True),
        ("profile.id.startsWith('B') || source.name == 'shop'", True),
        ("event.properties.none == null", True),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert unmet(text) is (None if holds else DOES_NOT_HOLD)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event.propertis.n > 2", "undeclared reference to 'event.propertis.n'"),
        ("profile", "undeclared reference to 'profile'"),
        ("profile.seq > 1", "undeclared reference to 'profile.seq'"),
        ("open('/etc/passwd')", "undeclared reference to 'open'"),
        ("event.__class__ == 1", "undeclared reference to 'event.__class__'"),
        ("event.type.__class__ == 1", "cannot be the operand of a select"),
        ("event.type > 3", "no matching overload"),
        ("1 +", "Syntax error"),
        ("event.type", "it gives string, not true or false"),
        ("profile.stats.visits + 1", "it gives int, not true or false"),
        ("'x'.matches(event.type)", "the pattern of `matches` must be a literal text"),
        ("matches(event.type, 'x')", "the pattern of `matches` must be a literal text"),
        ("'x'.matches('a' + event.type)", "the pattern of `matches` must be a literal text"),
        ("(" * 40 + "true" + ")" * 40, "recursion limit"),
    ],
)
def test_a_text_that_is_no_condition_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the sentence is asserted below
        Condition(text)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "INVALID_ARGUMENT" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.absent > 3",
        "profile.traits.public.age >= 18",
        "event.context.a.b",
        "event.properties.none > 3",
        "event.properties.list[5] == 1",
    ],
)
def test_a_condition_that_needs_a_missing_value_does_not_hold_and_does_not_fail(text: str) -> None:
    reason = reason_of(text)
    assert reason.why.startswith("a value is missing")
    assert not reason.failed


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event.properties.text > 3", "No matching overloads found : _>_(string, int64)"),
        ("event.properties.n + 0.5 > 3.0", "No matching overloads found : _+_(int64, double)"),
        ("event.properties.n / 0 == 1", "divide by zero"),
        ("event.properties.text", "it gives string, not true or false"),
        ("event.properties.text.absent == 1", "Applying SELECT to non-message type"),
    ],
)
def test_a_failed_evaluation_is_a_reason_and_no_exception(text: str, why: str) -> None:
    reason = reason_of(text)
    assert reason.failed
    assert reason.why == why


def test_a_value_of_the_profile_is_not_quoted() -> None:
    profile = {**ROOTS["profile"], "pii": {"number": "secret"}}
    reason = reason_of("int(profile.pii.number) > 3", {**ROOTS, "profile": profile})
    assert reason.failed
    assert "secret" not in reason.why


def test_a_loop_that_runs_too_long_is_a_failure() -> None:
    roots = {**ROOTS, "properties": {"l": list(range(101))}}
    reason = reason_of("event.properties.l.all(a, event.properties.l.all(b, a + b >= 0))", roots)
    assert (reason.failed, reason.why) == (True, "Iteration budget exceeded")


def test_a_pattern_that_could_backtrack_takes_linear_time() -> None:
    roots = {**ROOTS, "properties": {"text": "a" * 10_000}}
    assert unmet("event.properties.text.matches('(a+)+b')", roots) is DOES_NOT_HOLD


@pytest.mark.parametrize(
    ("text", "parts", "profile_only", "size"),
    [
        ("profile.stats.views > 1", {"stats.views"}, True, 0),
        (
            "profile.metadata.time.visit.count > 1 && 'a' in profile.segments",
            {"metadata.time", "segments"},
            True,
            2,
        ),
        ("has(profile.traits.public.a)", {"traits.public"}, True, 2),
        ("profile.pii.a == event.properties.a", {"pii"}, False, 612),
        ("event.type == 'x'", set(), False, 0),
    ],
)
def test_a_condition_has_the_parts_and_the_sizes_of_its_variables(
    text: str, parts: set[str], profile_only: bool, size: int
) -> None:
    condition = Condition(text)
    roots = {**ROOTS, "properties": {"a": "x" * 602}}
    assert (set(condition.parts), condition.reads_profile_only) == (parts, profile_only)
    assert condition.read(roots).sizes.bytes == size


@pytest.mark.parametrize("text", ["event.properties.__class__ == 1", "event.properties.text.__len__ == 1"])
def test_a_condition_cannot_read_attributes_of_python(text: str) -> None:
    assert unmet(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "int(profile.pii.x) == 1",
        "double(profile.pii.x) > 1.0",
        "bool(profile.pii.x)",
        "timestamp(profile.pii.x) > timestamp('2026-01-01T00:00:00Z')",
        "duration(profile.pii.x) > duration('1h')",
        "timestamp('2026-01-01T00:00:00Z').getFullYear(profile.pii.x) == 1",
    ],
)
def test_no_conversion_that_fails_quotes_the_profile(text: str) -> None:
    profile = {**ROOTS["profile"], "pii": {"x": "secret@example.com"}}
    reason = reason_of(text, {**ROOTS, "profile": profile})
    assert reason.failed
    assert "secret" not in reason.why
