"""From a rules file to rules that can run: every path, expression and schema is checked here, before the first call."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any

from trackd.config.errors import RulesError
from trackd.config.rules_file import (
    DEFAULT_RULES,
    EventEntry,
    RuleEntry,
    RulesFile,
    SegmentEntry,
    StepEntry,
    read_rules,
)
from trackd.config.settings import Limits
from trackd.core.json_values import has_large_integer, is_number, refuse_constant
from trackd.core.rules.conditions import VARIABLES, Condition
from trackd.core.rules.consents import CONSENTS
from trackd.core.rules.paths import MISSING, Path, parse_path, path_text
from trackd.core.rules.rule import Rule, Segment
from trackd.core.rules.ruleset import RuleSet
from trackd.core.rules.schemas import Schema
from trackd.core.rules.steps import COUNTERS, EACH, ConsentStep, Operand, Step
from trackd.core.rules.unwanted import ANY, Unwanted

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


def load_rules(path: str, limits: Limits) -> RuleSet:
    """The rules of a file; of the default file when `path` is empty. Raises RulesError."""
    file = FilePath(path) if path else DEFAULT_RULES
    return compile_rules(read_rules(file), file, limits)


def compile_rules(file: RulesFile, path: FilePath, limits: Limits) -> RuleSet:
    """`path` is named in errors, and `schema_file` is relative to its folder. Raises RulesError."""
    try:
        _check_names("rule", (entry.name for entry in file.rule))
        _check_names("segment", (_segment_id(entry) for entry in file.segment))
        _check_names("unwanted", (entry.name for entry in file.unwanted))
        schemas = dict(_schema_contents(file.event, path.parent))
        return RuleSet(
            rules=[(_rule(entry, limits), entry.event) for entry in file.rule],
            segments=[(_segment(entry, limits), entry.event) for entry in file.segment],
            schemas={event_type: _schema(event_type, content) for event_type, content in schemas.items()},
            tags={event_type: tuple(entry.tags) for event_type, entry in file.event.items() if entry.tags},
            unwanted=[Unwanted(entry.name, entry.types, entry.bots, entry.source) for entry in file.unwanted],
            refusing=file.validation.refuse,
            fingerprint=_fingerprint(file, schemas, limits),
        )
    except ValueError as error:
        raise RulesError(f"{path}: {str(error).rstrip('.')}.") from None


def _fingerprint(file: RulesFile, schemas: dict[str, Any], limits: Limits) -> bytes:
    """Of all that decides how a profile comes out."""
    return hashlib.sha256(repr((version("trackd"), file, schemas, limits)).encode()).digest()


def _check_names(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f'{kind} "{name}": there are two of this name')
        seen.add(name)


def _rule(entry: RuleEntry, limits: Limits) -> Rule:
    place = f'rule "{entry.name}"'
    _check_types(entry.event, place)
    steps = tuple(_step(step, entry, f"{place}, step {number}") for number, step in enumerate(entry.steps, 1))
    if entry.valid_for_days is not None and not any(step.target[0] == CONSENTS for step in steps):
        raise ValueError(f"{place}: valid_for_days is for rules that change consents")
    return Rule(entry.name, _condition(entry.when, limits, place) if entry.when else None, steps)


def _check_types(event_types: list[str], place: str) -> None:
    for event_type in event_types:
        if ANY in event_type and event_type != ANY:
            raise ValueError(f"{place}: `{event_type}` is no event type: name each, or write {ANY} for any")


def _segment(entry: SegmentEntry, limits: Limits) -> Segment:
    _check_types(entry.event, f'segment "{entry.name}"')
    return Segment(_segment_id(entry), _condition(entry.when, limits, f'segment "{entry.name}"'))


def _segment_id(entry: SegmentEntry) -> str:
    segment_id = re.sub(r"[\W_]+", "-", entry.name.lower()).strip("-")
    if not segment_id:
        raise ValueError(f'segment "{entry.name}": its name needs a letter or a digit')
    return segment_id


def _condition(text: str, limits: Limits, place: str) -> Condition:
    try:
        return Condition(text, limits.max_loop_bytes)
    except ValueError as error:
        raise ValueError(f"{place}: when: {error}") from None


def _step(entry: StepEntry, rule: RuleEntry, place: str) -> Step | ConsentStep:
    try:
        target = _target(entry.target)
        if target[0] == CONSENTS:
            _check_consents(entry, rule)
        if target[-1] == EACH and entry.source is None and not isinstance(entry.value, dict):
            raise ValueError(f"`{entry.target}` needs a `from` with an object, whose keys are the targets")
        if target[-1] != EACH and entry.op == "unset" and entry.source is not None:
            raise ValueError(f"`unset` takes a `from` only with a target that ends in `.{EACH}`")
        value = MISSING if entry.value is None else entry.value
        _check_literal(value)
        _check_fit(entry, target)
        operand = Operand(value, _source(entry.source))
        if target[0] == CONSENTS:
            return ConsentStep(target[1], entry.op, operand, rule.valid_for_days)
        return Step(target, entry.op, operand)
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


def _check_consents(entry: StepEntry, rule: RuleEntry) -> None:
    if entry.op not in CONSENT_OPERATIONS:
        raise ValueError(f"`{entry.op}` is not for consents: they take {', '.join(CONSENT_OPERATIONS)}")
    if ANY in rule.event:
        raise ValueError("a rule that changes consents names its event types: without consent only those pass")


def _check_literal(value: Any, depth: int = 0) -> None:
    """TOML has dates and numbers that are not finite, JSON has not; and what is too deep is not readable as JSON."""
    if depth > MAX_LITERAL_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_LITERAL_DEPTH}")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _check_literal(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the value {value} is no number of JSON")
    elif not isinstance(value, bool) and has_large_integer(value):
        raise ValueError(f"the value {value} is too large")
    elif value is not MISSING and value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError(f"the value {value} is not JSON: write a date as text")


def _check_fit(entry: StepEntry, target: Path) -> None:
    """A literal that can never do."""
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


def _schema_contents(events: dict[str, EventEntry], folder: FilePath) -> Iterator[tuple[str, Any]]:
    for event_type, entry in events.items():
        place = _place(event_type)
        if ANY in event_type or not event_type:
            raise ValueError(f"{place}: tags and schemas are for one event type each")
        if entry.schema_file is not None:
            yield event_type, _read_schema(folder / entry.schema_file, place)
        elif entry.json_schema is not None:
            yield event_type, entry.json_schema


def _schema(event_type: str, content: Any) -> Schema:
    try:
        _check_literal(content)
        return Schema(content)
    except ValueError as error:
        raise ValueError(f"{_place(event_type)}: its schema is wrong: {error}") from None


def _place(event_type: str) -> str:
    return f'event "{event_type}"'


def _read_schema(path: FilePath, place: str) -> Any:
    try:
        return json.loads(path.read_text("utf-8"), parse_constant=refuse_constant)
    except OSError as error:
        raise ValueError(f"{place}: its schema {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: its schema {path} is not JSON: {error}") from None
