"""The compiled rules of one rules file. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from msgspec import Struct

from trackd.core.encoding import json_text
from trackd.core.rules.conditions import Condition
from trackd.core.rules.rule import Rule, Segment, segment_id
from trackd.core.rules.schemas import Schema
from trackd.core.rules.unwanted import ANY, Unwanted
from trackd.core.work import EVENT, EVENT_CHARACTER, SEGMENT, UNWANTED

COUNTED = frozenset(["stats.counters", "stats.views"])
"""The parts of a profile that each event changes."""

T = TypeVar("T")


class Plan(Struct, frozen=True, eq=False):
    """The rules, segments, schema and tags for events of one type. `tags_json` is ready to store.

    `status`: that of a valid event. `reads`: the roots that conditions and steps read. `depends_on_consents`: all of
    its rules do, see `Rule`. `is_plain`: an event changes only its counters once the segments are evaluated. `work`,
    `character_work`: the units of an event, and of each character of its properties, without those of conditions and
    changes.
    """

    rules: tuple[Rule, ...] = ()
    segments: tuple[Segment, ...] = ()
    schema: Schema | None = None
    tags: tuple[str, ...] = ()
    tags_json: str = "[]"
    changes_consents: bool = False
    status: Literal["collected", "validated"] = "collected"
    reads: frozenset[str] = frozenset()
    depends_on_consents: bool = False
    is_plain: bool = False
    work: int = 0
    character_work: int = 0


class RuleSet:
    """Immutable, so that a call in flight keeps the rules that it was admitted with.

    `segments`: by id. `fingerprint`: a hash of everything that decides how a profile comes out,
    `segments_fingerprint` of everything that decides which segments a given profile is in. `notes`: what the author of
    the rules should know, in sentences without a dot.
    """

    def __init__(
        self,
        rules: Sequence[tuple[Rule, Sequence[str]]] = (),
        segments: Sequence[tuple[Segment, Sequence[str]]] = (),
        schemas: Mapping[str, Schema] | None = None,
        tags: Mapping[str, tuple[str, ...]] | None = None,
        unwanted: Sequence[Unwanted] = (),
        refusing: Sequence[str] = (),
        fingerprint: bytes = b"",
        notes: Sequence[str] = (),
        segments_fingerprint: bytes = b"",
    ) -> None:
        """`rules` come with the event types that they are for, `segments` with those after which they are evaluated.

        `refusing`: ids of the sources whose calls with invalid events are refused.
        """
        schemas, tags = schemas or {}, tags or {}
        segments = [(segment, types or (ANY,)) for segment, types in segments]
        named = {event_type for _, types in (*rules, *segments) for event_type in types}
        self._plans = {
            event_type: _plan(
                _for(event_type, rules),
                _for(event_type, segments),
                schemas.get(event_type),
                tags.get(event_type, ()),
                UNWANTED * len(unwanted),
            )
            for event_type in {*named, *schemas, *tags, ANY}
        }
        self._plan_of_others = self._plans[ANY]
        self.fingerprint = fingerprint
        self.notes = tuple(notes)
        self.segments_fingerprint = segments_fingerprint
        self.segments = {segment.id: segment for segment, _ in segments}
        self._unwanted = tuple(unwanted)
        self.drops = bool(unwanted)
        self.changes_counters = any(rule.changes_counters for rule, _ in rules)
        self._refusing = frozenset(refusing)

    def segment(self, name: str) -> Segment | None:
        """The segment with this id or name; case and what separates words do not matter."""
        return self.segments.get(name) or self.segments.get(segment_id(name))

    def plan(self, event_type: str) -> Plan:
        return self._plans.get(event_type, self._plan_of_others)

    def unwanted(self, event_type: str, source_id: str, user_agent: str | None) -> str | None:
        """The name of the entry that drops the event, None when no entry does."""
        for entry in self._unwanted:
            if entry.matches(event_type, source_id, user_agent):
                return entry.name
        return None

    def refuses_invalid(self, source_id: str) -> bool:
        return bool(self._refusing) and (source_id in self._refusing or ANY in self._refusing)


def _plan(
    rules: tuple[Rule, ...],
    segments: tuple[Segment, ...],
    schema: Schema | None,
    tags: tuple[str, ...],
    work: int,
) -> Plan:
    """`work`: the units of an event of any type."""
    reads = [segment.condition.reads for segment in segments] + [rule.reads for rule in rules]
    return Plan(
        rules,
        segments,
        schema,
        tags,
        tags_json=json_text(list(tags)),
        changes_consents=any(rule.changes_consents for rule in rules),
        status="collected" if schema is None else "validated",
        reads=frozenset[str]().union(*reads),
        is_plain=not rules and schema is None and all(_is_free_of_counters(segment.condition) for segment in segments),
        depends_on_consents=bool(rules) and all(rule.depends_on_consents for rule in rules),
        work=EVENT + work + SEGMENT * len(segments) + sum(rule.work for rule in rules),
        character_work=EVENT_CHARACTER + sum(rule.character_work for rule in rules),
    )


def _is_free_of_counters(condition: Condition) -> bool:
    return condition.reads_profile_only and condition.parts.isdisjoint(COUNTED)


def _for(event_type: str, entries: Sequence[tuple[T, Sequence[str]]]) -> tuple[T, ...]:
    """The entries for events of this type, in their order, with those for any type."""
    return tuple(entry for entry, types in entries if event_type in types or ANY in types)
