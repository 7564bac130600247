"""Compiling the rules of a file: every path, expression and schema is checked before the first call."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trackd.config.errors import RulesError
from trackd.config.settings import Limits
from trackd.core.rules.conditions import Condition
from trackd.core.rules.consents import CONSENTS
from trackd.core.rules.file_models import EventEntry, RuleEntry, SegmentEntry, parse_rules_file
from trackd.core.rules.rule import Rule, Segment, segment_id
from trackd.core.rules.ruleset import RuleSet
from trackd.core.rules.schemas import Retrieve, Schema, refuse_reference
from trackd.core.rules.segment_names import notes_of_unknown_segments
from trackd.core.rules.step_compiling import check_literal, compile_step
from trackd.core.rules.unwanted import ANY, Unwanted

COSTLY = 100_000  # units: twenty times those of a usual condition
PROPERTY = re.compile(r"\\[pP]")  # in a pattern: a letter of any script, for example


def compile_rules(
    tables: Mapping[str, Any],
    limits: Limits,
    *,
    schemas: Mapping[str, Any] | None = None,
    uris: Mapping[str, str] | None = None,
    retrieve: Retrieve = refuse_reference,
    name: str = "rules.toml",
    version: str = "",
) -> RuleSet:
    """Compile the tables of a rules file. Raises RulesError.

    `schemas`: the content of each schema file, by event type. `uris`: that of the file that has the schema of an event
    type; `retrieve` finds those that it refers to. `name`: that of the rules file, for errors. `version`: that of
    trackd, a part of the fingerprint.
    """
    file = parse_rules_file(tables, name)
    try:
        _check_names("rule", (entry.name for entry in file.rule))
        _check_names("segment", (_segment_id(entry) for entry in file.segment))
        _check_names("unwanted", (entry.name for entry in file.unwanted))
        contents = _schema_contents(file.event, schemas or {})
        compiled = {
            event_type: _schema(event_type, content, (uris or {}).get(event_type, ""), retrieve)
            for event_type, content in contents.items()
        }
        retrieved = {event_type: schema.retrieved for event_type, schema in compiled.items()}
        rules = [(_rule(entry), entry.event) for entry in file.rule]
        segments = [(_segment(entry), entry.event) for entry in file.segment]
        conditions = [(f'rule "{rule.name}"', rule.condition) for rule, _ in rules if rule.condition]
        conditions += [(f'segment "{segment.name}"', segment.condition) for segment, _ in segments]
        return RuleSet(
            rules=rules,
            segments=segments,
            schemas=compiled,
            tags={event_type: tuple(entry.tags) for event_type, entry in file.event.items() if entry.tags},
            unwanted=[Unwanted(entry.name, entry.types, entry.bots, entry.source) for entry in file.unwanted],
            refusing=file.validation.refuse,
            fingerprint=_fingerprint(version, file, (contents, retrieved), limits),
            notes=[
                *(f'event "{event_type}": {note}' for event_type, schema in compiled.items() for note in schema.notes),
                *notes_of_unknown_segments(file),
                *_notes_of_costly(conditions, limits),
            ],
            segments_fingerprint=_fingerprint(version, file.segment, {}, limits),
        )
    except ValueError as error:
        raise RulesError(f"{name}: {str(error).rstrip('.')}.") from None


def _notes_of_costly(conditions: Iterable[tuple[str, Condition]], limits: Limits) -> Iterator[str]:
    """A note for each condition whose evaluations alone may be too much work for a call with many events."""
    for place, condition in conditions:
        most = limits.max_call_work // condition.least_work
        if condition.least_work > COSTLY and most < limits.max_events:
            why = r"; a pattern with `\pL` or the like takes very long" if PROPERTY.search(condition.text) else ""
            yield (
                f"{place}: when: its evaluation takes {condition.least_work:,} units of work or more, so that a call "
                f"with more than {most} such events is refused (limits.max_call_work){why}"
            )


def _fingerprint(version: str, entries: object, schemas: object, limits: Limits) -> bytes:
    """A hash of everything that decides how a profile comes out."""
    return hashlib.sha256(repr((version, entries, schemas, limits)).encode()).digest()


def _check_names(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f'{kind} "{name}": there are two of this name')
        seen.add(name)


def _rule(entry: RuleEntry) -> Rule:
    place = f'rule "{entry.name}"'
    _check_types(entry.event, place)
    steps = tuple(compile_step(step, entry, f"{place}, step {number}") for number, step in enumerate(entry.steps, 1))
    if entry.valid_for_days is not None and not any(step.target[0] == CONSENTS for step in steps):
        raise ValueError(f"{place}: valid_for_days is for rules that change consents")
    if entry.nulls == "unset" and not any(step.nulls_unset for step in steps):
        raise ValueError(f'{place}: nulls = "unset" is for rules with a step that sets')
    return Rule(entry.name, _condition(entry.when, place) if entry.when else None, steps)


def _check_types(event_types: list[str], place: str) -> None:
    for event_type in event_types:
        if ANY in event_type and event_type != ANY:
            raise ValueError(f"{place}: `{event_type}` is no event type: name each, or write {ANY} for any")


def _segment(entry: SegmentEntry) -> Segment:
    place = f'segment "{entry.name}"'
    _check_types(entry.event, place)
    return Segment(_segment_id(entry), _condition(entry.when, place), entry.name, tuple(entry.event))


def _segment_id(entry: SegmentEntry) -> str:
    if not (made := segment_id(entry.name)):
        raise ValueError(f'segment "{entry.name}": its name needs a letter or a digit')
    return made


def _condition(text: str, place: str) -> Condition:
    try:
        return Condition(text)
    except ValueError as error:
        raise ValueError(f"{place}: when: {error}") from None


def _schema_contents(events: Mapping[str, EventEntry], files: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of each event type that has one, from the entry itself or from its file."""
    contents = {}
    for event_type, entry in events.items():
        if ANY in event_type or not event_type:
            raise ValueError(f'event "{event_type}": tags and schemas are for one event type each')
        if entry.schema_file is not None:
            contents[event_type] = files[event_type]
        elif entry.json_schema is not None:
            contents[event_type] = entry.json_schema
    return contents


def _schema(event_type: str, content: Any, uri: str, retrieve: Retrieve) -> Schema:
    def checked(uri: str) -> Any:
        retrieved = retrieve(uri)
        check_literal(retrieved)
        return retrieved

    try:
        check_literal(content)
        return Schema(content, uri, checked)
    except ValueError as error:
        raise ValueError(f'event "{event_type}": its schema is wrong: {error}') from None
