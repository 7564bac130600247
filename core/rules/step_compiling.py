"""Compiling the steps of a rule: their targets, sources and literals are checked here."""

import math
from typing import Any

from trackd.core.json_values import TOO_LARGE, is_number
from trackd.core.rules.conditions import VARIABLES
from trackd.core.rules.consents import CONSENTS
from trackd.core.rules.file_models import RuleEntry, StepEntry
from trackd.core.rules.paths import MISSING, Path, parse_path, path_text
from trackd.core.rules.steps import COUNTERS, EACH, ConsentStep, Operand, Step
from trackd.core.rules.unwanted import ANY

TARGETS: dict[Path, str] = {
    ("traits", "public"): "traits.public.*",
    ("traits", "private"): "traits.private.*",
    ("pii",): "pii.*",
    ("interests",): "interests.*",
    COUNTERS: "stats.counters.*",
    (CONSENTS,): "consents.*",
}
ONE_KEY = (COUNTERS, (CONSENTS,))  # below these a key holds a value, not an object
CONSENT_OPERATIONS = ("set", "set_if_absent", "unset")
MAX_DEPTH = 16  # with the deepest value below it, a document must still be readable as JSON
MAX_LITERAL_DEPTH = 64
EVENT_SOURCES: tuple[Path, ...] = (("properties",), ("context",))
SOURCES = (*EVENT_SOURCES, *(tuple(name.split(".")) for name in VARIABLES))


def compile_step(entry: StepEntry, rule: RuleEntry, place: str) -> Step | ConsentStep:
    """`place` names the step in errors. Raises ValueError."""
    try:
        target = _target(entry.target)
        if target[0] == CONSENTS:
            _check_consent_step(entry, rule)
        if target[-1] == EACH and entry.source is None and not isinstance(entry.value, dict):
            raise ValueError(f"`{entry.target}` needs a `from` with an object, whose keys are the targets")
        if target[-1] != EACH and entry.op == "unset" and entry.source is not None:
            raise ValueError(f"`unset` takes a `from` only with a target that ends in `.{EACH}`")
        value = MISSING if entry.value is None else entry.value
        check_literal(value)
        _check_literal_type(entry, target)
        _check_conversion(entry, target)
        operand = Operand(value, _source(entry.source))
        nulls_unset = rule.nulls == "unset" and entry.op == "set"
        if target[0] == CONSENTS:
            return ConsentStep(target[1], entry.op, operand, rule.valid_for_days, entry.conversion, nulls_unset)
        return Step(target, entry.op, operand, entry.conversion, nulls_unset)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _target(text: str) -> Path:
    path = parse_path(text)
    if len(path) > MAX_DEPTH:
        raise ValueError(f"the target `{text}` is too deep: it has more than {MAX_DEPTH} keys")
    for prefix in TARGETS:
        if path[: len(prefix)] == prefix and len(path) > len(prefix):
            if prefix in ONE_KEY and len(path) > len(prefix) + 1:
                raise ValueError(f"the target `{text}` is too deep: {TARGETS[prefix]} takes one key")
            return path
    raise ValueError(f"`{text}` is no target: it is one of {', '.join(TARGETS.values())}")


def _source(text: str | None) -> Path | None:
    if text is None:
        return None
    path = parse_path(text)
    if EACH in path or not any(path[: len(source)] == source for source in SOURCES):
        raise ValueError(f"`{text}` is no source: it begins with one of {', '.join(map(path_text, SOURCES))}")
    return path


def _check_consent_step(entry: StepEntry, rule: RuleEntry) -> None:
    if entry.op not in CONSENT_OPERATIONS:
        raise ValueError(f"`{entry.op}` is not for consents: they take {', '.join(CONSENT_OPERATIONS)}")
    if ANY in rule.event:
        raise ValueError("a rule that changes consents names its event types: without consent only those pass")


def check_literal(value: Any, depth: int = 0) -> None:
    """Raises ValueError for a value of TOML that JSON cannot hold, and for one that is nested too deep."""
    if depth > MAX_LITERAL_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_LITERAL_DEPTH}")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            check_literal(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the value {value} is no number of JSON")
    elif isinstance(value, int) and abs(value) >= TOO_LARGE:
        raise ValueError("a whole number in it has more than 4,300 digits")
    elif value is not MISSING and value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"the value {value} is not JSON: write a date as text")


def _check_literal_type(entry: StepEntry, target: Path) -> None:
    """Raises ValueError for a literal that the operation can never take."""
    if entry.value is None or target[-1] == EACH:
        return
    if target[0] == CONSENTS and not isinstance(entry.value, bool):
        raise ValueError("a consent is true or false")
    if entry.op in ("increment", "decrement") and not is_number(entry.value):
        raise ValueError(f"`{entry.op}` takes a number")
    if entry.op in ("max", "min") and not is_number(entry.value) and not isinstance(entry.value, str):
        raise ValueError(f"`{entry.op}` takes a number or a text")
    if target[:2] == COUNTERS and not is_number(entry.value):
        raise ValueError("a counter is a number")


def _check_conversion(entry: StepEntry, target: Path) -> None:
    """Raises ValueError for a conversion to a type that the operation or the target can never take."""
    if entry.conversion is None:
        return
    if entry.op == "unset":
        raise ValueError("`unset` takes no `as`")
    if target[0] == CONSENTS and entry.conversion != "boolean":
        raise ValueError('a consent is true or false: it takes `as = "boolean"`')
    if (target[:2] == COUNTERS or entry.op in ("increment", "decrement")) and entry.conversion != "number":
        raise ValueError(f'{"a counter" if target[:2] == COUNTERS else f"`{entry.op}`"} takes `as = "number"`')
    if entry.op in ("max", "min") and entry.conversion == "boolean":
        raise ValueError(f"`{entry.op}` takes a number or a text")
